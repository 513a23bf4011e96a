import { inject, injectable } from 'tsyringe';

import { type Kind, PARTIAL_KIND, SECRET_KIND } from '../../api/group.js';
import { listNames } from '../../api/printable.js';
import type { KMSVaultSecret, Resource } from '../../api/resources.js';
import { KubeError } from '../../kube/kube-error.js';
import type { IndexedResourceCache } from '../../kube/resource-cache.js';
import type { ResourceLists } from '../../kube/resource-lists.js';
import type { Clock } from '../../runtime/clock.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import type { DeclaredResource } from './declared-resources.js';
import { appliedObject } from './planned-objects.js';

/** Fills the cache with the cluster as it would be after the files are applied. */
@injectable()
export class PlannedCluster {
  constructor(
    @inject(TOKENS.cache) private readonly cache: IndexedResourceCache,
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.resourceLists, { isOptional: true }) private readonly lists?: Pick<ResourceLists, 'list'>,
  ) {}

  /**
   * @returns what is to be planned, by namespace and name: the `KMSVaultSecret`s of the files, and those in the
   *   cluster that include a partial of the files.
   * @throws AuthorError when the cluster cannot be read.
   */
  async apply(declared: readonly DeclaredResource[]): Promise<KMSVaultSecret[]> {
    const { cache, lists } = this;
    if (lists !== undefined) {
      for (const resource of await this.existing(lists, declared)) cache.apply(resource);
    }
    const now = this.clock.now();
    for (const resource of declared) {
      const { kind, namespace, name } = resource;
      const existing = lists === undefined ? 'unknown' : cache.get({ kind, namespace, name });
      cache.apply(appliedObject(resource, existing, now));
    }
    const planned = new Set<KMSVaultSecret>();
    for (const { kind, namespace, name } of declared) {
      if (kind === SECRET_KIND) {
        const secret = cache.secret(namespace, name);
        if (secret !== undefined) planned.add(secret);
        continue;
      }
      const includers = cache.includersOf(namespace, name);
      for (const includer of includers) planned.add(includer);
      if (includers.length === 0) {
        const where =
          lists === undefined ? 'in the files; --cluster also asks the cluster' : 'in its namespace';
        this.console.note(`no KMSVaultSecret includes ${PARTIAL_KIND} ${namespace}/${name} ${where}`);
      }
    }
    return [...planned].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  /** Of all namespaces, because a path may belong to a resource of any of them. */
  private async existing(
    lists: Pick<ResourceLists, 'list'>,
    declared: readonly DeclaredResource[],
  ): Promise<Resource[]> {
    try {
      return await listed(lists);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.status !== 403) throw unreadable(error);
    }
    const namespaces = [...new Set(declared.map(({ namespace }) => namespace))].sort();
    this.console.warn(
      `you may not list resources in all namespaces, so only ${listNames(namespaces)} are known: ` +
        'a resource elsewhere that has the same path is not seen',
    );
    try {
      return (await Promise.all(namespaces.map((namespace) => listed(lists, namespace)))).flat();
    } catch (error) {
      throw error instanceof KubeError ? unreadable(error) : error;
    }
  }
}

async function listed(lists: Pick<ResourceLists, 'list'>, namespace?: string): Promise<Resource[]> {
  const kinds: readonly Kind[] = [SECRET_KIND, PARTIAL_KIND];
  return (await Promise.all(kinds.map((kind) => lists.list(kind, namespace)))).flat();
}

function unreadable(error: KubeError): AuthorError {
  const why =
    error.status === 404
      ? 'it does not have the resources of this operator (install its CRDs)'
      : error.message;
  return new AuthorError(`cannot read the cluster: ${why}`);
}

function nameOf({ metadata }: KMSVaultSecret): string {
  return `${metadata.namespace}/${metadata.name}`;
}
