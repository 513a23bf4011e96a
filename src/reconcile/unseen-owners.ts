import { inject, injectable } from 'tsyringe';

import { listNames } from '../api/printable.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { Finding } from '../queue/outcome.js';
import { TOKENS } from '../tokens.js';
import type { KvReading } from '../vault/kv-store.js';
import { sameData, type SecretData } from '../vault/secret-data.js';
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
  /** Places that held the value of a resource that is seen, in this term. */
  private readonly owned = new Set<string>();

  constructor(
    @inject(TOKENS.freshness) private readonly view: CacheView,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /**
   * Why a place may not be taken now; undefined when it may. What this resource owned before stays its own, what
   * another resource that is seen owned goes over to the next one, and where nothing stands nothing can be lost.
   *
   * @param reading `unknown` when the token may not read there.
   * @param target what the resource describes; undefined before it is decrypted, which may prove that the value is its
   *   own.
   */
  finding(
    request: { readonly secret: KMSVaultSecret; readonly place: Place; readonly known: KnownState },
    reading: KvReading | 'unknown',
    target?: SecretData,
  ): Finding | undefined {
    const unseen = this.view.unseen();
    if (unseen.length === 0) return undefined;
    const { secret, place } = request;
    const claimed = samePlace(claimedPlace(readClaim(secret.status?.claim)), place);
    const isOwner = claimed || isOurs(request, this.memory) || this.owned.has(nameOf(place));
    const isFree = reading !== 'unknown' && reading.state === 'absent';
    if (isOwner || isFree || (reading !== 'unknown' && mayBeOwn(secret, reading, target))) return undefined;
    const message =
      `${place.path} may belong to an older resource in ${listNames(unseen)}, which cannot be listed yet; ` +
      'values that this resource did not write are not overwritten';
    return { reason: 'PathConflict', message };
  }

  /** A resource that is seen owned the place and its value is there, or it left the value to the next owner. */
  note(place: Place): void {
    if (this.view.unseen().length === 0) this.owned.clear();
    else this.owned.add(nameOf(place));
  }

  /** Another replica may have seen more namespaces, and written for their resources. */
  beginTerm(): void {
    this.owned.clear();
  }
}

/**
 * The Go operator, or an older CRD, left `created` without a path: the resource wrote a value somewhere, and where it
 * stands is proven by its content.
 */
function mayBeOwn({ status }: KMSVaultSecret, reading: KvReading, target: SecretData | undefined): boolean {
  if (status?.created !== true || status.path !== undefined || reading.state !== 'live') return false;
  return target === undefined || sameData(reading.data, target);
}

function nameOf({ path, engine }: Place): string {
  return `${engine} ${path}`;
}
