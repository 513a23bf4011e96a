import { inject, injectable } from 'tsyringe';

import { PARTIAL_KIND } from '../api/group.js';
import type { PartialReason } from '../api/partial-reasons.js';
import type { KMSVaultSecret } from '../api/resources.js';
import { includesOf } from '../kube/resource-cache.js';
import type { ResourceCache } from '../kube/resource-store.js';
import type { Priority, Requeue } from '../queue/work-queue.js';
import { TOKENS } from '../tokens.js';
import { isFinalCode } from './key-failure.js';
import { isWithdrawn } from './secret-aggregator.js';
import type { SyncNow } from './sync-now.js';
import type { SyncRequest, SyncResult } from './sync-request.js';

/** A reason is a string in a stored status; the type finds this place when the reason is renamed. */
const INVALID: PartialReason = 'Invalid';

/** Enqueues partials after the sync of a resource that includes them. */
@injectable()
export class PartialRequeue {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.syncNow) private readonly syncNow: SyncNow,
    @inject(TOKENS.queue) private readonly queue: Requeue,
  ) {}

  /**
   * A deleted partial waits until every includer has removed its keys from Vault, one with a request for a sync until
   * every includer has answered it. The spec of the secret may be malformed.
   */
  waiting(secret: KMSVaultSecret): void {
    const { namespace } = secret.metadata;
    for (const name of includesOf(secret)) {
      const partial = this.cache.partial(namespace, name);
      if (partial === undefined) continue;
      const isWaiting = isWithdrawn(partial) || this.syncNow.pending(partial) !== undefined;
      if (isWaiting) this.add(namespace, name, 'edit');
    }
  }

  /**
   * A partial reports the wrong values that its includers find. Nothing is enqueued while they find the same again.
   *
   * @param request with the status before the sync.
   */
  found({ secret, aggregate, inputsHash }: SyncRequest, { failures }: SyncResult): void {
    const { namespace } = secret.metadata;
    const { failedKeys = [], inputsHash: reported } = secret.status ?? {};
    const before = failedKeys.filter(({ reason }) => isFinalCode(reason)).map(({ key }) => key);
    const now = failures.filter(({ isFinal }) => isFinal).map(({ key }) => key);
    const all = new Set([...before, ...now]);
    const asBefore = before.length === all.size && now.length === all.size;
    if (asBefore && reported === inputsHash) return;
    const names = new Set([...all].map((key) => aggregate.keys.get(key)?.partial));
    // Another source may define the key now.
    if (before.length > 0) for (const name of this.invalidIncludes(secret)) names.add(name);
    // After an edit of a partial, all of its includers sync first, so that it reads their statuses once.
    for (const name of names) if (name !== undefined) this.add(namespace, name, 'resync');
  }

  private invalidIncludes(secret: KMSVaultSecret): readonly string[] {
    const { namespace } = secret.metadata;
    return includesOf(secret).filter((name) =>
      this.cache
        .partial(namespace, name)
        ?.status?.conditions?.some(({ type, reason }) => type === 'Ready' && reason === INVALID),
    );
  }

  private add(namespace: string, name: string, priority: Priority): void {
    this.queue.add({ kind: PARTIAL_KIND, namespace, name }, priority);
  }
}
