import { createHash, createHmac, randomBytes } from 'node:crypto';

import type { ClaimedPath } from '../api/resources.js';
import type { SecretData } from '../vault/secret-data.js';
import type { KvReading, KvVersion } from '../vault/kv-store.js';
import type { Finding } from '../queue/outcome.js';
import { valueIdentity } from './inputs-hash.js';
import type { KeyFailure } from './key-failure.js';
import { type Place, samePlace } from './place.js';
import type { ResolvedKey } from './secret-aggregator.js';

/** What the last finished sync of a resource came to. */
export interface Fingerprint {
  readonly inputsHash: string;
  /** Keyed hash of what stood in Vault afterwards; undefined when the token may not read there. */
  readonly dataMac: string | undefined;
  /** Keys that kept Vault's value: to be tried again at every resync. */
  readonly failedKeys: readonly string[];
  /** The v2 version that was written or found equal. */
  readonly version?: KvVersion;
}

/**
 * How far a sync got. `blocked`: it may not or cannot be written until somebody changes something. `pending`: it
 * is tried again soon.
 */
export type SyncState = 'synced' | 'blocked' | 'pending';

/** What a sync looked at. */
export interface Inputs {
  /** `metadata.generation` */
  readonly generation: number | undefined;
  /** Undefined when the resource was refused whatever its inputs are. */
  readonly inputsHash: string | undefined;
}

/** A pin kept these inputs from this state of Vault; KMS could answer nothing that changes it. */
export interface BlockedResult {
  readonly inputsHash: string;
  readonly reading: ReadingState;
  readonly failures: readonly KeyFailure[];
  /** What the pin itself has to say. */
  readonly pinFindings: readonly Finding[];
}

/** A state of a secret in Vault, without its data. */
interface ReadingState {
  readonly state: KvReading['state'];
  readonly version: KvVersion | undefined;
}

/** Why an input was refused. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Where the value of a resource stands, by what this process wrote or found equal. */
export interface HeldValue {
  readonly place: Place;
  readonly version?: KvVersion;
  /** When a write happened that no status tells of yet. */
  readonly wroteAt?: Date;
}

/** What is known of one place; gone as soon as something is remembered of another one. */
interface AtPlace {
  readonly place: Place;
  fingerprint?: Fingerprint;
  lastSync?: { readonly inputs: Inputs; readonly state: SyncState };
  blocked?: BlockedResult;
  /** Somebody else may have written here; each suspicion is another object. */
  suspicion?: object;
}

interface Entry {
  at?: AtPlace;
  held?: HeldValue;
  claim?: ClaimedPath;
  /** The claim was put into the status, as far as it takes one, in this term. */
  claimStands?: boolean;
  /** The value is deleted, the finalizer not yet removed. */
  deleted?: boolean;
  /** Inputs that KMS refuses for good, by a hash of the input. */
  badInputs: Map<string, Refusal>;
}

/**
 * What the process knows of each resource beyond its status, in memory only: hashes, never values. It
 * belongs to a uid and a place: whoever asks for another place gets nothing. The key of the keyed hash is
 * random per process, so that a dump of one process tells nothing about values that were guessed, and
 * nothing survives a restart.
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

  lastSync(uid: string, place: Place): AtPlace['lastSync'] {
    return this.known(uid, place)?.lastSync;
  }

  recordSync(uid: string, place: Place, inputs: Inputs, state: SyncState): void {
    this.at(uid, place).lastSync = { inputs, state };
  }

  /** What was found before, when the same inputs meet the same state of Vault again. */
  blocked(uid: string, place: Place, inputsHash: string, reading: KvReading): BlockedResult | undefined {
    const blocked = this.known(uid, place)?.blocked;
    const same = blocked?.inputsHash === inputsHash && sameState(blocked.reading, stateOf(reading));
    return same ? blocked : undefined;
  }

  rememberBlocked(
    uid: string,
    place: Place,
    { inputsHash, reading, failures, pinFindings }: Omit<BlockedResult, 'reading'> & { reading: KvReading },
  ): void {
    this.at(uid, place).blocked = { inputsHash, failures, pinFindings, reading: stateOf(reading) };
  }

  /** What stands at a place unread may be another's: it is to be written again. */
  suspect(uid: string, place: Place): void {
    const known = this.known(uid, place);
    if (known !== undefined) known.suspicion = {};
  }

  suspicionOf(uid: string, place: Place): object | undefined {
    return this.known(uid, place)?.suspicion;
  }

  /** Clears this suspicion; one that came up meanwhile stays. */
  clearSuspicion(uid: string, place: Place, suspicion: object | undefined): void {
    const known = this.known(uid, place);
    if (known !== undefined && known.suspicion === suspicion) delete known.suspicion;
  }

  /** The value of the resource stands at this place now; a write stays untold until {@link told}. */
  hold(uid: string, { place, version, wroteAt }: HeldValue): void {
    const untold = wroteAt ?? this.untoldWrite(uid, place);
    this.entry(uid).held = {
      place,
      ...(version === undefined ? {} : { version }),
      ...(untold === undefined ? {} : { wroteAt: untold }),
    };
  }

  /** Newer than the status, which may not tell of it yet. */
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

  untoldWrite(uid: string, place: Place): Date | undefined {
    const held = this.held(uid);
    return samePlace(held?.place, place) ? held?.wroteAt : undefined;
  }

  /** The status shows what is held at the place. */
  told(uid: string, place: Place): void {
    const entry = this.entries.get(uid);
    if (entry?.held === undefined || !samePlace(entry.held.place, place)) return;
    const { wroteAt, ...held } = entry.held;
    void wroteAt;
    entry.held = held;
    delete entry.claim;
    delete entry.claimStands;
  }

  claim(uid: string): ClaimedPath | undefined {
    return this.entries.get(uid)?.claim;
  }

  /** Whether nobody else can have taken the claim out of the status: it was put there in this term. */
  claimStands(uid: string, place: Place): boolean {
    const { claim, claimStands } = this.entries.get(uid) ?? {};
    return claimStands === true && claim?.path === place.path && claim.engineVersion === place.engine;
  }

  noteClaim(uid: string, claim: ClaimedPath): void {
    Object.assign(this.entry(uid), { claim, claimStands: true });
  }

  noteDeleted(uid: string): void {
    this.entry(uid).deleted = true;
  }

  wasDeleted(uid: string): boolean {
    return this.entries.get(uid)?.deleted === true;
  }

  /** How exactly this input was refused before, if it was. */
  badInput(uid: string, key: ResolvedKey): Refusal | undefined {
    return this.entries.get(uid)?.badInputs.get(inputDigest(key));
  }

  rememberBadInput(uid: string, key: ResolvedKey, refusal: Refusal): void {
    this.entry(uid).badInputs.set(inputDigest(key), refusal);
  }

  /** Drops what is remembered of inputs that the resource does not have any more. */
  keepBadInputs(uid: string, keys: Iterable<ResolvedKey>): void {
    const entry = this.entries.get(uid);
    if (entry === undefined || entry.badInputs.size === 0) return;
    const current = new Set([...keys].map(inputDigest));
    for (const digest of entry.badInputs.keys()) if (!current.has(digest)) entry.badInputs.delete(digest);
  }

  /**
   * Drops what cannot be checked against Vault or the status: another replica may have written since.
   * What is compared with a reading of Vault stays good, and so does what a place held when it was claimed;
   * whether the status still says so is asked again.
   */
  forgetUnverifiable(): void {
    for (const entry of this.entries.values()) {
      delete entry.held;
      delete entry.deleted;
      delete entry.claimStands;
      const { at } = entry;
      if (at === undefined) continue;
      const { dataMac, failedKeys, inputsHash } = at.fingerprint ?? {};
      entry.at = { place: at.place };
      if (at.blocked !== undefined) entry.at.blocked = at.blocked;
      if (dataMac !== undefined && failedKeys !== undefined && inputsHash !== undefined) {
        entry.at.fingerprint = { inputsHash, dataMac, failedKeys };
      }
    }
  }

  forget(uid: string): void {
    this.entries.delete(uid);
  }

  private known(uid: string, place: Place): AtPlace | undefined {
    const at = this.entries.get(uid)?.at;
    return samePlace(at?.place, place) ? at : undefined;
  }

  private at(uid: string, place: Place): AtPlace {
    const entry = this.entry(uid);
    if (entry.at === undefined || !samePlace(entry.at.place, place)) entry.at = { place };
    return entry.at;
  }

  private entry(uid: string): Entry {
    let entry = this.entries.get(uid);
    if (entry === undefined) {
      entry = { badInputs: new Map() };
      this.entries.set(uid, entry);
    }
    return entry;
  }
}

function inputDigest(key: ResolvedKey): string {
  return createHash('sha256').update(valueIdentity(key)).digest('base64');
}

function stateOf(reading: KvReading): ReadingState {
  return { state: reading.state, version: reading.state === 'absent' ? undefined : reading.version };
}

function sameState(a: ReadingState, b: ReadingState): boolean {
  const sameVersion =
    a.version?.version === b.version?.version && a.version?.createdTime === b.version?.createdTime;
  return a.state === b.state && sameVersion;
}
