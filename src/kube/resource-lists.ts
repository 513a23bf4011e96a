import { inject, injectable } from 'tsyringe';

import { API_VERSION, GROUP, type Kind, PLURALS, VERSION } from '../api/group.js';
import type { Resource } from '../api/resources.js';
import { TOKENS } from '../tokens.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { isRecord } from './status-body.js';

/** As kubectl asks for lists (`--chunk-size`). */
const PAGE = '500';
const EXPIRED = 410;

/** Lists all resources of a kind once, for programs that do not watch. */
@injectable()
export class ResourceLists {
  constructor(@inject(TOKENS.kubeClient) private readonly client: Pick<KubeClient, 'request'>) {}

  /**
   * @param namespace all namespaces when absent.
   * @throws KubeError; 403 when the caller may not list there.
   */
  async list(kind: Kind, namespace?: string): Promise<Resource[]> {
    const scope = namespace === undefined ? [] : ['namespaces', namespace];
    const path = `/${['apis', GROUP, VERSION, ...scope, PLURALS[kind]].map(encodeURIComponent).join('/')}`;
    try {
      return await this.pages(kind, path, { limit: PAGE });
    } catch (error) {
      // The token of a page lives for some minutes only.
      if (!(error instanceof KubeError) || error.status !== EXPIRED) throw error;
      return await this.pages(kind, path, {});
    }
  }

  private async pages(
    kind: Kind,
    path: string,
    query: Readonly<Record<string, string>>,
  ): Promise<Resource[]> {
    const found: Resource[] = [];
    let token: string | undefined;
    do {
      const body = await this.client.request('GET', path, {
        query: token === undefined ? query : { ...query, continue: token },
      });
      if (!isRecord(body) || !Array.isArray(body.items)) {
        throw new KubeError(`GET ${path}: the response is not a list`, undefined);
      }
      for (const item of body.items as unknown[]) {
        // The members of a list have no kind.
        if (isRecord(item) && isRecord(item.metadata)) {
          found.push({ ...item, apiVersion: API_VERSION, kind } as unknown as Resource);
        }
      }
      const next = isRecord(body.metadata) ? body.metadata.continue : undefined;
      token = typeof next === 'string' && next !== '' ? next : undefined;
    } while (token !== undefined);
    return found;
  }
}
