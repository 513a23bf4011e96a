import { createHmac, randomBytes } from 'node:crypto';

import type { ClaimedPath } from '../api/resources.js';
import type { SecretData } from '../vault/secret-data.js';
import type { KvReading, KvVersion } from '../vault/kv-store.js';
import { type Place, samePlace } from './place.js';
import {
  type BlockedResult,
  type Fingerprint,
  type Inputs,
  type MetadataRecord,
  PlaceRecord,
  type SyncState,
} from './place-record.js';
import { type Refusal, RefusedInputs } from './refused-inputs.js';
import type { ResolvedKey } from './resolved-key.js';

/** Where the value of a resource is, according to what this process wrote or found equal. */
export interface HeldValue {
  readonly place: Place;
  readonly version?: KvVersion;
  /** The time of a write that no status reports yet. */
  readonly wroteAt?: Date;
}

interface Entry {
  at?: PlaceRecord;
  held?: HeldValue;
  claim?: ClaimedPath;
  /** The claim was written to the status in this term, as far as the API server stores it. */
  claimStands?: boolean;
  /** Where a removal may have taken effect although no answer says so. */
  lostRemoval?: Place;
  /** The value is deleted, but the finalizer is not removed yet. */
  deleted?: boolean;
  /** The requests for a full sync that this resource answered, by the uid of the resource with the annotation. */
  answered?: ReadonlyMap<string, string>;
  readonly refused: RefusedInputs;
}

/**
 * What the process knows about each resource in addition to its status, in memory only: hashes, never values. An
 * entry belongs to a uid and a place: for another place there is none. The key of the keyed hash is random per
 * process, so that a memory dump does not help to confirm guessed values; nothing survives a restart.
 */
export class SyncMemory {
  private readonly macKey = randomBytes(32);
  private readonly entries = new Map<string, Entry>();

  /** A keyed hash of a secret's content, independent of the order of its keys. */
  mac(data: SecretData): string {
    const hmac = createHmac('sha256', this.macKey);
    for (const key of [...data.keys()].sort()) hmac.update(JSON.stringify([key, data.get(key)]));
    return hmac.digest('base64');
  }

  fingerprint(uid: string, place: Place): Fingerprint | undefined {
    return this.known(uid, place)?.fingerprint;
  }

  remember(uid: string, place: Place, fingerprint: Fingerprint): void {
    this.at(uid, place).fingerprint = fingerprint;
  }

  lastSync(uid: string, place: Place): PlaceRecord['lastSync'] {
    return this.known(uid, place)?.lastSync;
  }

  recordSync(uid: string, place: Place, inputs: Inputs, state: SyncState): void {
    this.at(uid, place).lastSync = { inputs, state };
  }

  /** The earlier findings, if the inputs and the state of Vault are unchanged. */
  blocked(uid: string, place: Place, inputsHash: string, reading: KvReading): BlockedResult | undefined {
    return this.known(uid, place)?.blocked(inputsHash, reading);
  }

  rememberBlocked(uid: string, place: Place, result: Parameters<PlaceRecord['rememberBlocked']>[0]): void {
    this.at(uid, place).rememberBlocked(result);
  }

  metadata(uid: string, place: Place): MetadataRecord | undefined {
    return this.known(uid, place)?.metadata;
  }

  noteMetadata(uid: string, place: Place, record: MetadataRecord): void {
    this.at(uid, place).metadata = record;
  }

  /** The value of a place that cannot be read may be foreign: write it again. */
  suspect(uid: string, place: Place): void {
    const known = this.known(uid, place);
    if (known !== undefined) known.suspicion = {};
  }

  suspicionOf(uid: string, place: Place): object | undefined {
    return this.known(uid, place)?.suspicion;
  }

  /** Clears this suspicion; a newer one stays. */
  clearSuspicion(uid: string, place: Place, suspicion: object | undefined): void {
    const known = this.known(uid, place);
    if (known !== undefined && known.suspicion === suspicion) delete known.suspicion;
  }

  /** The value of the resource is at this place now; a write counts as unreported until {@link markReported}. */
  recordHeld(uid: string, { place, version, wroteAt }: HeldValue): void {
    const untold = wroteAt ?? this.unreportedWrite(uid, place);
    this.entry(uid).held = {
      place,
      ...(version === undefined ? {} : { version }),
      ...(untold === undefined ? {} : { wroteAt: untold }),
    };
  }

  /** Newer than the status, which may not report it yet. */
  held(uid: string): HeldValue | undefined {
    return this.entries.get(uid)?.held;
  }

  /** The version last written or found equal at the place. */
  version(uid: string, place: Place): KvVersion | undefined {
    const held = this.held(uid);
    return (
      this.fingerprint(uid, place)?.version ?? (samePlace(held?.place, place) ? held?.version : undefined)
    );
  }

  unreportedWrite(uid: string, place: Place): Date | undefined {
    const held = this.held(uid);
    return samePlace(held?.place, place) ? held?.wroteAt : undefined;
  }

  /** The status reports what the place holds. */
  markReported(uid: string, place: Place): void {
    const entry = this.entries.get(uid);
    if (entry?.held === undefined || !samePlace(entry.held.place, place)) return;
    const { wroteAt, ...held } = entry.held;
    void wroteAt;
    entry.held = held;
    delete entry.claim;
    delete entry.claimStands;
  }

  /**
   * The place belongs to another resource now. What is compared with Vault before it is used stays, such as the version
   * for check-and-set.
   */
  release(uid: string, place: Place): void {
    const entry = this.entries.get(uid);
    if (entry === undefined) return;
    this.suspect(uid, place);
    const { claim, held } = entry;
    if (samePlace(held?.place, place)) delete entry.held;
    if (claim?.path !== place.path || claim.engineVersion !== place.engine) return;
    delete entry.claim;
    delete entry.claimStands;
  }

  claim(uid: string): ClaimedPath | undefined {
    return this.entries.get(uid)?.claim;
  }

  /** Whether the claim was written to the status in this term, so that no other replica can have removed it. */
  claimStands(uid: string, place: Place): boolean {
    const { claim, claimStands } = this.entries.get(uid) ?? {};
    return claimStands === true && claim?.path === place.path && claim.engineVersion === place.engine;
  }

  noteClaim(uid: string, claim: ClaimedPath): void {
    Object.assign(this.entry(uid), { claim, claimStands: true });
  }

  /** Whether the removal at the place may have taken effect although no answer says so. */
  mayBeRemoved(uid: string, place: Place): boolean {
    return samePlace(this.entries.get(uid)?.lostRemoval, place);
  }

  noteLostRemoval(uid: string, place: Place): void {
    this.entry(uid).lostRemoval = place;
  }

  /** The value at the place is known to be the resource's own. */
  clearLostRemoval(uid: string): void {
    delete this.entries.get(uid)?.lostRemoval;
  }

  noteDeleted(uid: string): void {
    this.entry(uid).deleted = true;
  }

  wasDeleted(uid: string): boolean {
    return this.entries.get(uid)?.deleted === true;
  }

  /** Why this input was refused before, if it was. */
  badInput(uid: string, key: ResolvedKey): Refusal | undefined {
    return this.entries.get(uid)?.refused.get(key);
  }

  rememberBadInput(uid: string, key: ResolvedKey, refusal: Refusal): void {
    this.entry(uid).refused.add(key, refusal);
  }

  /** Drops what is remembered about inputs that the resource no longer has. */
  keepBadInputs(uid: string, keys: Iterable<ResolvedKey>): void {
    this.entries.get(uid)?.refused.keep(keys);
  }

  forgetBadInputs(uid: string): void {
    this.entries.get(uid)?.refused.keep([]);
  }

  answered(uid: string, by: string): string | undefined {
    return this.entries.get(uid)?.answered?.get(by);
  }

  /** @param keep uids whose requests concern the resource; others are dropped. */
  noteAnswered(uid: string, answered: ReadonlyMap<string, string>, keep: readonly string[]): void {
    const entry = this.entry(uid);
    const all = [...(entry.answered ?? []), ...answered];
    entry.answered = new Map(all.filter(([by]) => keep.includes(by)));
  }

  /**
   * Drops what cannot be checked against Vault or the status: another replica may have written since. What is
   * compared with a reading of Vault stays valid, and so does what a place held when it was claimed; whether the
   * status still reports the claim is checked again.
   */
  forgetUnverifiable(): void {
    for (const entry of this.entries.values()) {
      delete entry.held;
      delete entry.deleted;
      delete entry.claimStands;
      delete entry.answered;
      if (entry.at !== undefined) entry.at = entry.at.verifiable();
    }
  }

  forget(uid: string): void {
    this.entries.delete(uid);
  }

  private known(uid: string, place: Place): PlaceRecord | undefined {
    const at = this.entries.get(uid)?.at;
    return samePlace(at?.place, place) ? at : undefined;
  }

  private at(uid: string, place: Place): PlaceRecord {
    const entry = this.entry(uid);
    if (entry.at === undefined || !samePlace(entry.at.place, place)) entry.at = new PlaceRecord(place);
    return entry.at;
  }

  private entry(uid: string): Entry {
    let entry = this.entries.get(uid);
    if (entry === undefined) {
      entry = { refused: new RefusedInputs() };
      this.entries.set(uid, entry);
    }
    return entry;
  }
}
