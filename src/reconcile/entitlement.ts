import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { keyOf } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import { isSuspended } from '../api/validation.js';
import type { ResourceCache } from '../kube/resource-store.js';
import type { Requeue } from '../queue/work-queue.js';
import type { FreshWork } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { PathOwnership } from './path-ownership.js';
import { type Place, placeOf, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** According to the cache, the resource is no longer entitled to write its path, or is suspended. */
export class SupersededError extends Error {
  constructor() {
    super('the resource is no longer entitled to write its path');
    this.name = 'SupersededError';
  }
}

/** Checked right before each attempt of a write; remembers whether one was allowed. */
export class WriteGuard {
  private passed = false;

  constructor(
    private readonly isEntitled: () => boolean,
    private readonly work: Pick<FreshWork, 'assertFresh'>,
  ) {}

  /** Whether a write may have reached Vault, whatever the answer was. */
  get begun(): boolean {
    return this.passed;
  }

  /** @throws SupersededError */
  readonly assert = (): void => {
    if (!this.isEntitled()) throw new SupersededError();
  };

  /**
   * Called when the request is sent.
   *
   * @throws StaleCacheError, SupersededError
   */
  readonly send = (): void => {
    this.work.assertFresh();
    this.assert();
    this.passed = true;
  };
}

/**
 * Decides who may write a place now. Always uses the cache, never the object that the reconcile started with: the
 * resource can change while the reconcile waits for Vault, KMS or the API server.
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

  guard(secret: KMSVaultSecret, place: Place, work: FreshWork): WriteGuard {
    return new WriteGuard(() => !this.isSuspended(secret) && this.isEntitled(secret, place), work);
  }

  /** Its author has suspended it meanwhile. It keeps its path. */
  isSuspended({ metadata: { namespace, name } }: KMSVaultSecret): boolean {
    return isSuspended(this.cache.secret(namespace, name)?.spec);
  }

  /** The resource exists, is not being deleted, names this place, may use it, and owns its path. */
  isEntitled(secret: KMSVaultSecret, place: Place): boolean {
    const { namespace, name, uid } = secret.metadata;
    const latest = this.cache.secret(namespace, name);
    if (latest === undefined || !stillTargets(latest, uid, place)) return false;
    if (!this.allowedPaths.allows(place.path, namespace)) return false;
    return this.ownership.claim(place.path, latest).owner.metadata.uid === uid;
  }

  /** Whether another resource owns the place of a resource that may not write it any more. */
  isTaken(secret: KMSVaultSecret, place: Place): boolean {
    if (this.isEntitled(secret, place)) return false;
    const { uid } = secret.metadata;
    return this.ownership.liveAt(place.path).some(({ metadata }) => metadata.uid !== uid);
  }

  /**
   * Enqueues the current owner of the path and the resource itself. What other resources remember about the path
   * without having read it is discarded.
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

/** Whether this object, as it is now, exists and names the place. */
export function stillTargets(latest: KMSVaultSecret, uid: string, place: Place): boolean {
  const { metadata } = latest;
  return (
    metadata.uid === uid && metadata.deletionTimestamp === undefined && samePlace(placeOf(latest), place)
  );
}
