import { createHash, createHmac, randomBytes } from 'node:crypto';

import type { SecretData } from '../vault/secret-data.js';
import type { KvVersion } from '../vault/kv-store.js';
import { valueIdentity } from './inputs-hash.js';
import type { SyncResult } from './secret-sync.js';
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

/** How the last attempt to bring a resource to some inputs ended. */
export interface Settlement {
  /** `metadata.generation` that was looked at. */
  readonly generation: number | undefined;
  /** Undefined when the resource was refused whatever its inputs are. */
  readonly inputsHash: string | undefined;
  /** `blocked`: it may not or cannot be written until somebody changes something. */
  readonly state: 'synced' | 'blocked' | 'pending';
}

/** Why an input was refused. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Entry {
  fingerprint?: Fingerprint;
  settlement?: Settlement;
  /** The pinned resource was found stale for these inputs against this version. */
  stale?: { readonly inputsHash: string; readonly version: KvVersion; readonly result: SyncResult };
  /** When a write happened that no status tells of yet. */
  untoldWrite?: Date;
  /** Inputs that KMS refuses for good, by a hash of the input. */
  badInputs: Map<string, Refusal>;
}

/**
 * What the process knows of each resource beyond its status, in memory only: hashes, never values. The
 * key of the keyed hash is random per process, so that a dump of one process tells nothing about values
 * that were guessed, and nothing survives a restart.
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

  fingerprint(uid: string): Fingerprint | undefined {
    return this.entries.get(uid)?.fingerprint;
  }

  remember(uid: string, fingerprint: Fingerprint): void {
    this.entry(uid).fingerprint = fingerprint;
  }

  settlement(uid: string): Settlement | undefined {
    return this.entries.get(uid)?.settlement;
  }

  settle(uid: string, settlement: Settlement): void {
    this.entry(uid).settlement = settlement;
  }

  /** What was found before, when the same inputs meet the same version again. */
  staleResult(uid: string, inputsHash: string, version: KvVersion): SyncResult | undefined {
    const stale = this.entries.get(uid)?.stale;
    const same =
      stale?.inputsHash === inputsHash &&
      stale.version.version === version.version &&
      stale.version.createdTime === version.createdTime;
    return same ? stale.result : undefined;
  }

  rememberStale(uid: string, inputsHash: string, version: KvVersion, result: SyncResult): void {
    this.entry(uid).stale = { inputsHash, version, result };
  }

  /** A write happened; it stays untold until the status shows it. */
  noteWrite(uid: string, at: Date): void {
    this.entry(uid).untoldWrite = at;
  }

  untoldWrite(uid: string): Date | undefined {
    return this.entries.get(uid)?.untoldWrite;
  }

  writeTold(uid: string): void {
    delete this.entries.get(uid)?.untoldWrite;
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
   * What is compared with a reading of Vault stays good.
   */
  forgetUnverifiable(): void {
    for (const entry of this.entries.values()) {
      delete entry.settlement;
      if (entry.fingerprint?.dataMac === undefined) delete entry.fingerprint;
    }
  }

  forget(uid: string): void {
    this.entries.delete(uid);
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
