import { inject, injectable } from 'tsyringe';

import { printable } from '../api/printable.js';
import { refOf } from '../api/resource-key.js';
import type { ClaimedPath, KMSVaultSecret } from '../api/resources.js';
import type { ResourceClient } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import type { KvReading } from '../vault/kv-store.js';
import type { Announcer } from './announcer.js';
import { stillTargets, SupersededError } from './entitlement.js';
import { type Place, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** What a claim needs to know about the sync that is about to write. */
export interface ClaimRequest {
  readonly secret: KMSVaultSecret;
  readonly place: Place;
  readonly inputsHash: string;
  readonly known: { readonly created: boolean };
}

/**
 * Records in the status, before the first write to a place, that this resource is about to write there and what the
 * place held before. If the process is killed between the write and the status patch, a finalizer can still tell
 * our value from a foreign one.
 */
@injectable()
export class PathClaims {
  constructor(
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
  ) {}

  /**
   * Patches once per place and term. An existing claim is never updated: after a write whose answer was lost, the
   * current value may be ours.
   *
   * @throws SupersededError when the resource does not name this place any more; KubeError when the API server
   *   cannot be reached: nothing may be written then. If RBAC or an older CRD keeps the claim out of the status,
   *   only memory holds it.
   */
  async before(request: ClaimRequest, reading: KvReading | 'unknown'): Promise<void> {
    const { secret, place, known } = request;
    const { memory, client } = this;
    const { uid } = secret.metadata;
    if (known.created || samePlace(memory.held(uid)?.place, place)) return;
    if (memory.claimStands(uid, place)) return;
    let claim = claimOf(request, reading);
    let wanted = true;
    await client.updateStatus(refOf(secret), (current, latest) => {
      wanted = stillTargets(latest as KMSVaultSecret, uid, place);
      const standing = readClaim(current?.claim);
      if (!wanted) return current ?? {};
      if (standing !== undefined && samePlace(claimedPlace(standing), place)) {
        claim = standing;
        return current ?? {};
      }
      return { ...current, claim };
    });
    if (!wanted) throw new SupersededError();
    this.reportAbandonedClaim(secret, place, memory.claim(uid) ?? readClaim(secret.status?.claim));
    memory.noteClaim(uid, claim);
  }

  /** Reports that a claim on another place is given up: that place will not be touched any more. */
  reportAbandonedClaim(secret: KMSVaultSecret, place: Place, claim: ClaimedPath | undefined): void {
    if (claim === undefined || claim.path === place.path) return;
    const message =
      `The path changed to ${place.path}; a value that may have been written to ` +
      `${printable(claim.path)} stays in Vault`;
    this.announcer.normal(secret, 'PathChanged', message);
  }
}

export function claimedPlace(claim: ClaimedPath | undefined): Place | undefined {
  return claim === undefined ? undefined : { path: claim.path, engine: claim.engineVersion };
}

/** The claim of a status, or undefined if it is malformed. */
export function readClaim(claim: ClaimedPath | null | undefined): ClaimedPath | undefined {
  if (typeof claim !== 'object' || claim === null || typeof claim.path !== 'string') return undefined;
  return ['v1', 'v2'].includes(claim.engineVersion) ? claim : undefined;
}

/**
 * Whether the place holds exactly what it held when it was claimed, so nothing was written since. A v1 value has no
 * version that could show this.
 */
export function isAsClaimed(claim: ClaimedPath, reading: KvReading): boolean {
  if (reading.state === 'absent') return claim.held === 'nothing';
  if (claim.engineVersion === 'v1' || claim.held !== 'something') return false;
  const { vaultVersion, vaultVersionCreated } = claim;
  return (
    reading.version?.version === vaultVersion && reading.version?.createdTime === (vaultVersionCreated ?? '')
  );
}

function claimOf({ place, inputsHash }: ClaimRequest, reading: KvReading | 'unknown'): ClaimedPath {
  const base = { path: place.path, engineVersion: place.engine, inputsHash };
  if (reading === 'unknown') return { ...base, held: 'unknown' };
  if (reading.state === 'absent') {
    return { ...base, held: 'nothing', ...(place.engine === 'v2' ? { vaultVersion: 0 } : {}) };
  }
  return {
    ...base,
    held: 'something',
    ...(reading.version === undefined
      ? {}
      : { vaultVersion: reading.version.version, vaultVersionCreated: reading.version.createdTime }),
  };
}
