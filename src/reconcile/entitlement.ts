import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { keyOf } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { ResourceCache } from '../kube/resource-store.js';
import type { Requeue } from '../queue/work-queue.js';
import { TOKENS } from '../tokens.js';
import type { PathOwnership } from './path-ownership.js';
import { type Place, placeOf, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** The resource may not be written any more, by what is known of it now. */
export class SupersededError extends Error {
  constructor() {
    super('the resource may not be written any more');
    this.name = 'SupersededError';
  }
}

/** Asked right before each attempt of a write, and remembers whether one was let through. */
export class WriteGuard {
  private passed = false;

  constructor(private readonly isEntitled: () => boolean) {}

  /** Whether a write may have reached Vault, whatever its answer was. */
  get begun(): boolean {
    return this.passed;
  }

  /** @throws SupersededError */
  readonly assert = (): void => {
    if (!this.isEntitled()) throw new SupersededError();
  };

  /** As {@link assert}, for the moment in which the request goes out. */
  readonly send = (): void => {
    this.assert();
    this.passed = true;
  };
}

/**
 * Who may write a place at this moment. Always asked of the cache, never of the object that a reconcile
 * began with: much can happen while Vault, KMS and the API server are waited for.
 */
@injectable()
export class Entitlement {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.ownership) private readonly ownership: PathOwnership,
    @inject(TOKENS.allowedPaths) private readonly allowedPaths: AllowedPaths,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.queue) private readonly requeue: Requeue,
  ) {}

  guard(secret: KMSVaultSecret, place: Place): WriteGuard {
    return new WriteGuard(() => this.isEntitled(secret, place));
  }

  /** Lives, is not being deleted, names this very place, may use it, and owns its path. */
  isEntitled(secret: KMSVaultSecret, place: Place): boolean {
    const { namespace, name, uid } = secret.metadata;
    const latest = this.cache.secret(namespace, name);
    if (latest === undefined || !stillWants(latest, uid, place)) return false;
    if (!this.allowedPaths.allows(place.path, namespace)) return false;
    return this.ownership.claim(place.path, latest).owner.metadata.uid === uid;
  }

  /** Whether somebody else has the place of a resource that may not write it any more. */
  isTaken(secret: KMSVaultSecret, place: Place): boolean {
    if (this.isEntitled(secret, place)) return false;
    const { uid } = secret.metadata;
    return this.ownership.liveAt(place.path).some(({ metadata }) => metadata.uid !== uid);
  }

  /**
   * Whoever has the path now is looked at, and the resource itself again. What others know of the path
   * without having read it does not count any more.
   */
  handOver(secret: KMSVaultSecret, place: Place): void {
    for (const other of this.ownership.liveAt(place.path)) {
      if (other.metadata.uid !== secret.metadata.uid) this.memory.suspect(other.metadata.uid, place);
      this.requeue.add(keyOf(other), 'edit');
    }
    const latest = this.cache.secret(secret.metadata.namespace, secret.metadata.name);
    if (latest !== undefined) this.requeue.add(keyOf(latest), 'edit');
  }
}

/** Whether this incarnation, as it is now, lives and names the place. */
export function stillWants(latest: KMSVaultSecret, uid: string, place: Place): boolean {
  const { metadata } = latest;
  return (
    metadata.uid === uid && metadata.deletionTimestamp === undefined && samePlace(placeOf(latest), place)
  );
}
