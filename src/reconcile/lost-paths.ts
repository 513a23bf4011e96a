import { inject, injectable } from 'tsyringe';

import type { KMSVaultSecret, KMSVaultSecretStatus } from '../api/resources.js';
import { TOKENS } from '../tokens.js';
import { statusPlace } from './known-state.js';
import { claimedPlace, readClaim } from './path-claims.js';
import type { PathOwnership } from './path-ownership.js';
import { type Place, placeOf } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/**
 * Makes a resource forget what it wrote to a place that belongs to another resource now. That resource writes over
 * it, and may not be known to the process that decides later: neither the status nor the memory may then say that the
 * place holds a value of this one. If the resource gets the place back, writing it or finding it equal sets both
 * again.
 */
@injectable()
export class LostPaths {
  constructor(
    @inject(TOKENS.ownership) private readonly ownership: PathOwnership,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /** Forgets what this process remembers of places that the resource has lost. */
  release(secret: KMSVaultSecret): void {
    const { memory } = this;
    const { uid } = secret.metadata;
    for (const place of [memory.held(uid)?.place, claimedPlace(memory.claim(uid))]) {
      if (place !== undefined && this.isLost(secret, place)) memory.release(uid, place);
    }
  }

  /** The status without what it says about places that the resource has lost. */
  withoutLost(
    secret: KMSVaultSecret,
    status: KMSVaultSecretStatus | undefined,
  ): KMSVaultSecretStatus | undefined {
    if (status === undefined) return undefined;
    const isLost = (place: Place | undefined): boolean => place !== undefined && this.isLost(secret, place);
    const { claim, ...unclaimed } = status;
    const kept =
      claim === undefined || isLost(claimedPlace(readClaim(claim))) ? unclaimed : { ...unclaimed, claim };
    // `created` without a path, as the Go operator leaves it, counts for the path in the spec.
    if (!isLost(status.path === undefined ? placeOf(secret) : statusPlace({ ...secret, status })))
      return kept;
    const { created, path, vaultVersion, vaultVersionCreated, inputsHash, ...rest } = kept;
    void [created, path, vaultVersion, vaultVersionCreated, inputsHash];
    return rest;
  }

  private isLost({ metadata }: KMSVaultSecret, { path }: Place): boolean {
    const owner = this.ownership.ownerAt(path);
    return owner !== undefined && owner.metadata.uid !== metadata.uid;
  }
}
