import { inject, injectable } from 'tsyringe';

import { listNames } from '../api/printable.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { Finding } from '../queue/outcome.js';
import { TOKENS } from '../tokens.js';
import type { KvReading } from '../vault/kv-store.js';
import type { CacheView } from './cache-view.js';
import { isOurs, type KnownState } from './known-state.js';
import { claimedPlace, readClaim } from './path-claims.js';
import { type Place, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/**
 * Guards the paths of resources in watched namespaces that could not be listed yet. Who owns a path is decided by
 * age among the resources that are known; an older one may be in a namespace that nobody can see.
 */
@injectable()
export class UnseenOwners {
  constructor(
    @inject(TOKENS.freshness) private readonly view: CacheView,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /**
   * Why a place may not be taken now; undefined when it may. What this resource owned before stays its own, and
   * where nothing stands nothing can be lost.
   *
   * @param reading `unknown` when the token may not read there.
   */
  finding(
    request: { readonly secret: KMSVaultSecret; readonly place: Place; readonly known: KnownState },
    reading: KvReading | 'unknown',
  ): Finding | undefined {
    const { secret, place } = request;
    const lost = this.mayHaveAnotherOwner(secret);
    const claimed = samePlace(claimedPlace(readClaim(secret.status?.claim)), place);
    const isOwner = !lost && (claimed || isOurs(request, this.memory));
    const isFree = !lost && reading !== 'unknown' && reading.state === 'absent';
    const unseen = this.view.unseen();
    if (unseen.length === 0 || isOwner || isFree) return undefined;
    const message =
      `${place.path} may belong to an older resource in ${listNames(unseen)}, which cannot be listed yet; ` +
      'nothing is written over what this resource did not write';
    return { reason: 'PathConflict', message };
  }

  /** Whether the path went to somebody else who cannot be seen now. */
  mayHaveAnotherOwner({ status, metadata }: KMSVaultSecret): boolean {
    if (this.view.unseen().length === 0) return false;
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    // Being marked as deleted raises the generation by one.
    const generation = (metadata.generation ?? 0) - (metadata.deletionTimestamp === undefined ? 0 : 1);
    return ready?.reason === 'PathConflict' && ready.observedGeneration === generation;
  }
}
