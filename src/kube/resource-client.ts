import { inject, injectable } from 'tsyringe';

import { API_VERSION, DELETE_FINALIZER, GROUP, type Kind, PLURALS, VERSION } from '../api/group.js';
import { keyString, type ResourceKey, type ResourceRef } from '../api/resource-key.js';
import type { Resource } from '../api/resources.js';
import type { Logger } from '../observability/logger.js';
import { LogOnce } from '../runtime/log-once.js';
import { TOKENS } from '../tokens.js';
import { DroppedFields } from './dropped-fields.js';
import { type KubeClient, MERGE_PATCH } from './kube-client.js';
import { KubeError } from './kube-error.js';
import type { IndexedResourceCache } from './resource-cache.js';
import type { PatchOutcome, ResourceClient, StatusOf } from './resource-store.js';
import { isRecord } from './status-body.js';

/** A conflict means that another client was faster; this many in a row are not chance any more. */
const MAX_ATTEMPTS = 6;
/** The change of one patch; `nothing` when the object needs none. */
type Change = { readonly body: Record<string, unknown> } | 'nothing';

/** Reads and patches resources; every patch names the object version that it was computed from. */
@injectable()
export class ApiResourceClient implements ResourceClient {
  private readonly dropped = new DroppedFields();
  private readonly said = new LogOnce();

  constructor(
    @inject(TOKENS.kubeClient) private readonly client: KubeClient,
    @inject(TOKENS.cache) private readonly cache: IndexedResourceCache,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  async fetch(key: ResourceKey): Promise<Resource | undefined> {
    let body: unknown;
    try {
      body = await this.client.request('GET', pathOf(key));
    } catch (error) {
      // A server without the CRD also answers 404, but without the name of an object.
      if (isMissing(error) && error.facts.objectName === key.name) return undefined;
      throw error;
    }
    const resource = this.resourceIn(body, key, 'GET');
    this.cache.refresh(resource);
    return resource;
  }

  async updateStatus<K extends Kind>(
    key: ResourceRef & { kind: K },
    desired: (current: StatusOf[K] | undefined, resource: Resource) => StatusOf[K],
  ): Promise<PatchOutcome> {
    const object = keyString(key);
    let patch: Record<string, unknown> | undefined;
    const outcome = await this.patch(
      key,
      '/status',
      (resource) => {
        const current = isRecord(resource.status) ? resource.status : undefined;
        const wanted = desired(current, resource);
        patch = this.dropped.patchFor(key.kind, object, plain(current ?? {}), plain(wanted));
        return patch === undefined ? 'nothing' : { body: { status: patch } };
      },
      (answer) => {
        const stored = plain(isRecord(answer.status) ? answer.status : {});
        const fresh = this.dropped.learn(key.kind, object, patch ?? {}, stored);
        if (fresh.length > 0) {
          this.logger.warn('API server drops status fields: update the CRDs', {
            kind: key.kind,
            fields: fresh,
          });
        }
      },
    );
    // Deleted, perhaps while the answer was in flight.
    if (this.cache.get(key) === undefined) this.dropped.forget(object);
    return outcome;
  }

  /** Drops what is remembered about a resource that is gone. */
  forget(key: ResourceKey): void {
    this.dropped.forget(keyString(key));
  }

  removeFinalizer(key: ResourceRef): Promise<PatchOutcome> {
    return this.patch(key, '', ({ metadata }) => {
      const finalizers = Array.isArray(metadata.finalizers) ? metadata.finalizers : [];
      if (!finalizers.includes(DELETE_FINALIZER)) return 'nothing';
      return { body: { metadata: { finalizers: finalizers.filter((name) => name !== DELETE_FINALIZER) } } };
    });
  }

  private async patch(
    key: ResourceRef,
    subresource: '' | '/status',
    change: (resource: Resource) => Change,
    onAnswer: (answer: Resource) => void = () => undefined,
  ): Promise<PatchOutcome> {
    const { cache, client } = this;
    const path = pathOf(key) + subresource;
    let current = cache.get(key) ?? (await this.fetch(key));
    for (let attempt = 1; ; attempt += 1) {
      if (current?.metadata.uid !== key.uid) return { outcome: 'gone' };
      const wanted = change(current);
      if (wanted === 'nothing') return { outcome: 'unchanged' };
      const { resourceVersion } = current.metadata;
      const metadata = { ...(isRecord(wanted.body.metadata) ? wanted.body.metadata : {}), resourceVersion };
      try {
        const body = { ...wanted.body, metadata };
        const answer = this.resourceIn(
          await client.request('PATCH', path, { body, contentType: MERGE_PATCH }),
          key,
          'PATCH',
        );
        cache.refresh(answer);
        onAnswer(answer);
        return { outcome: 'patched' };
      } catch (error) {
        if (!(error instanceof KubeError)) throw error;
        if (error.status === 403) return this.forbidden(key, subresource, error);
        if (error.status === 409 && attempt < MAX_ATTEMPTS) {
          current = await this.fetch(key);
        } else if (error.status === 404) {
          if ((await this.fetch(key))?.metadata.uid !== key.uid) return { outcome: 'gone' };
          return this.notServed(key, subresource, error);
        } else throw error;
      }
    }
  }

  private forbidden(key: ResourceKey, subresource: string, error: KubeError): PatchOutcome {
    this.once(`403 ${key.kind}${subresource}`, 'RBAC denies a patch: update the ClusterRole', {
      resource: `${PLURALS[key.kind]}${subresource}`,
      verb: 'patch',
      detail: error.message,
    });
    return { outcome: 'forbidden' };
  }

  /** The object exists but has no status subresource: an older CRD. */
  private notServed(key: ResourceKey, subresource: string, error: KubeError): PatchOutcome {
    if (subresource === '') throw error;
    this.once(`404 ${key.kind}${subresource}`, 'API server has no status subresource: update the CRDs', {
      resource: PLURALS[key.kind],
    });
    return { outcome: 'forbidden' };
  }

  private once(id: string, message: string, facts: Readonly<Record<string, unknown>>): void {
    if (this.said.isNew(id)) this.logger.warn(message, facts);
  }

  /** @throws KubeError when the answer is not the requested object. */
  private resourceIn(body: unknown, key: ResourceKey, verb: string): Resource {
    const metadata = isRecord(body) ? body.metadata : undefined;
    if (!isRecord(body) || !isRecord(metadata) || metadata.name !== key.name || !isVersioned(metadata)) {
      throw new KubeError(`${verb} ${pathOf(key)}: the response is not the object`, undefined);
    }
    return { ...body, apiVersion: API_VERSION, kind: key.kind } as unknown as Resource;
  }
}

function pathOf({ kind, namespace, name }: ResourceKey): string {
  const parts = ['apis', GROUP, VERSION, 'namespaces', namespace, PLURALS[kind], name];
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

function isMissing(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404 && error.facts.reason === 'NotFound';
}

function isVersioned(metadata: Record<string, unknown>): boolean {
  return typeof metadata.resourceVersion === 'string' && typeof metadata.uid === 'string';
}

/** As sent over the network: absent instead of undefined. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}
