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
  /** Places that held the value of a listed resource in this term. */
  private readonly owned = new Set<string>();

  constructor(
    @inject(TOKENS.freshness) private readonly view: CacheView,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /**
   * Why the resource may not take the place now; undefined when it may. It keeps a place that it owned before. It may
   * take one that another listed resource left to it, and an empty one, because nothing can be lost there.
   *
   * @param reading `unknown` when the token may not read there.
   * @param target what the resource describes; undefined before it is decrypted, which may prove that the value is
   *   its own.
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
    // Nobody need change this resource: it may be written as soon as the namespace can be listed.
    return { reason: 'PathConflict', message, progress: 'none' };
  }

  /** A listed resource owned the place and its value is there, or it left the value to the next owner. */
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
 * The Go operator, or an older CRD, left `created` without a path: the resource wrote a value somewhere, and only the
 * content of a path can prove where.
 */
function mayBeOwn({ status }: KMSVaultSecret, reading: KvReading, target: SecretData | undefined): boolean {
  if (status?.created !== true || status.path !== undefined || reading.state !== 'live') return false;
  return target === undefined || sameData(reading.data, target);
}

function nameOf({ path, engine }: Place): string {
  return `${engine} ${path}`;
}
