import { isDeepStrictEqual } from 'node:util';

import { inject, injectable } from 'tsyringe';

import { refOf } from '../api/resource-key.js';
import type { ClaimedPath, KMSVaultSecret } from '../api/resources.js';
import { KubeError } from '../kube/kube-error.js';
import type { ResourceClient } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvSecret, KvVersion } from '../vault/kv-store.js';
import type { ContentProof } from './content-proof.js';
import { keepsHistory } from './deletion-planner.js';
import { knownState } from './known-state.js';
import { isVersion } from './kv2-decision.js';
import { claimedPlace, readClaim } from './path-claims.js';
import { type Place, samePlace } from './place.js';
import { readIfAllowed } from './read-if-allowed.js';
import type { SyncMemory } from './sync-memory.js';

/** What to do at a place that a resource is known to have written. */
export type RemovalVerdict =
  /** `marked`: the status says that the removal has begun. */
  | { readonly do: 'remove'; readonly marked: boolean }
  | { readonly do: 'nothing' }
  | { readonly do: 'keep'; readonly why: string };

/**
 * Looks at a place right before a finalizer removes it. A process may have ended between the removal and the release
 * of the finalizer, and the place may hold another client's value by now.
 */
@injectable()
export class RemovalCheck {
  constructor(
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.proof) private readonly proof: ContentProof,
  ) {}

  /**
   * On v2 the versions show whether the secret is still the one that was written. Where no version is known, as on
   * v1, or none may be read, a claim beside `created` marks in the status that the removal has begun. After a restart,
   * and after a removal whose answer was lost, the value is removed only if it equals what the resource describes;
   * without read permission nothing can show that, so it is kept.
   *
   * Where only the current version is deleted (`deletion: latest`), that version itself must be the resource's own; a
   * version that is deleted already is left alone.
   *
   * @throws VaultError, KmsError, KubeError when this cannot be decided now.
   */
  async look(
    secret: KMSVaultSecret,
    place: Place,
    kv: KvSecret,
    signal?: AbortSignal,
  ): Promise<RemovalVerdict> {
    const reading = await readIfAllowed(kv, signal);
    const onlyLatest = keepsHistory(secret, place);
    if (reading !== 'forbidden' && reading.state === 'absent') return { do: 'nothing' };
    if (onlyLatest && reading !== 'forbidden' && reading.state === 'deleted') return { do: 'nothing' };
    const known = reading === 'forbidden' ? undefined : this.knownVersion(secret, place);
    const changed = await this.mayBeForeign({ secret, place, known, onlyLatest }, kv, reading, signal);
    if (changed && (reading === 'forbidden' || !(await this.proof.isOurs(secret, reading, signal)))) {
      const unread = reading === 'forbidden' ? ', and the token has no read permission to compare it' : '';
      const when = onlyLatest ? '' : " after this resource's value was removed";
      const why = `the value at ${place.path} may have been written by another client${when}${unread}`;
      return { do: 'keep', why };
    }
    this.memory.clearLostRemoval(secret.metadata.uid);
    if (known === undefined) await this.mark(secret, place);
    return { do: 'remove', marked: known === undefined };
  }

  /**
   * The removal at the place ended without an answer that confirms it. If it certainly had no effect, the mark is
   * withdrawn, so that another process removes the value as before.
   *
   * @param removal the secret as {@link look} was given it, and whether that marked it.
   */
  async failed(
    {
      secret,
      place,
      marked,
    }: { readonly secret: KMSVaultSecret; readonly place: Place; readonly marked: boolean },
    hadNoEffect: boolean,
  ): Promise<void> {
    if (!hadNoEffect) this.memory.noteLostRemoval(secret.metadata.uid, place);
    else if (marked) await this.withdraw(secret, place);
  }

  private async mayBeForeign(
    removal: {
      readonly secret: KMSVaultSecret;
      readonly place: Place;
      readonly known: KvVersion | undefined;
      readonly onlyLatest: boolean;
    },
    kv: KvSecret,
    reading: Exclude<KvReading, { state: 'absent' }> | 'forbidden',
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { secret, place, known, onlyLatest } = removal;
    if (reading === 'forbidden') return this.mayBeRemoved(secret, place);
    if (onlyLatest) return known === undefined || !isVersion(reading, known);
    return known === undefined
      ? this.mayBeRemoved(secret, place)
      : await mayBeCreatedAnew(kv, reading, known, signal);
  }

  private knownVersion(secret: KMSVaultSecret, place: Place): KvVersion | undefined {
    const { memory } = this;
    return memory.version(secret.metadata.uid, place) ?? knownState(secret, place, memory).version;
  }

  /** By a request whose answer was lost, or by another process. */
  private mayBeRemoved(secret: KMSVaultSecret, place: Place): boolean {
    const { uid } = secret.metadata;
    if (this.memory.mayBeRemoved(uid, place)) return true;
    return this.isMarked(secret, place) && !samePlace(this.memory.held(uid)?.place, place);
  }

  private isMarked(secret: KMSVaultSecret, place: Place): boolean {
    const { created } = knownState(secret, place, this.memory);
    return created && samePlace(claimedPlace(readClaim(secret.status?.claim)), place);
  }

  private async mark(secret: KMSVaultSecret, place: Place): Promise<void> {
    const { uid } = secret.metadata;
    await this.client.updateStatus(refOf(secret), (current) =>
      current?.created === true ? { ...current, claim: markOf(place, current.inputsHash) } : (current ?? {}),
    );
    this.memory.recordHeld(uid, { place });
  }

  /**
   * Best effort, because the API server may be down: if the mark stays, another process keeps a value that it could
   * remove.
   */
  private async withdraw(secret: KMSVaultSecret, place: Place): Promise<void> {
    const before = this.isMarked(secret, place) ? undefined : secret.status?.claim;
    try {
      await this.client.updateStatus(refOf(secret), (current) => {
        const { claim, ...rest } = current ?? {};
        if (!isDeepStrictEqual(claim, markOf(place, rest.inputsHash))) return current ?? {};
        return { ...rest, ...(before === undefined ? {} : { claim: before }) };
      });
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
    }
  }
}

/** After the metadata is removed, versions count from 1 again; a manual write only adds versions. */
async function mayBeCreatedAnew(
  kv: KvSecret,
  reading: Exclude<KvReading, { state: 'absent' }>,
  known: KvVersion,
  signal?: AbortSignal,
): Promise<boolean> {
  const current = reading.version;
  if (current === undefined || current.version <= known.version) return !isVersion(reading, known);
  // Vault drops old versions, also those of a re-created secret, so a missing version proves nothing.
  return (await kv.createdTimeOf?.(known.version, signal)) !== known.createdTime;
}

function markOf({ path, engine }: Place, inputsHash = ''): ClaimedPath {
  return { path, engineVersion: engine, held: 'something', inputsHash };
}
