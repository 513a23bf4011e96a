import type { Finding } from '../queue/outcome.js';
import type { KvReading, KvVersion } from '../vault/kv-store.js';
import type { KeyFailure } from './key-failure.js';
import type { Place } from './place.js';

/** The result of the last finished sync of a resource. */
export interface Fingerprint {
  readonly inputsHash: string;
  /** Keyed hash of the data in Vault afterwards; undefined if the token has no permission to read them. */
  readonly dataMac: string | undefined;
  /** Keys that kept their value in Vault; tried again at every resync. */
  readonly failedKeys: readonly string[];
  /** The v2 version that was written or found equal. */
  readonly version?: KvVersion;
}

/**
 * The progress of a sync. `blocked`: nothing can be written until somebody changes something. `pending`: it is
 * retried soon.
 */
export type SyncState = 'synced' | 'blocked' | 'pending';

/** What a sync was based on. */
export interface Inputs {
  /** `metadata.generation` */
  readonly generation: number | undefined;
  /** Undefined if the resource was refused regardless of its inputs. */
  readonly inputsHash: string | undefined;
}

/** What is known about the metadata of a v2 secret. */
export interface MetadataRecord {
  /** Hash of the wanted metadata that Vault had, or was given, last. */
  readonly wanted?: string;
  /** When Vault denied the provenance (monotonic milliseconds). */
  readonly deniedAtMs?: number;
}

/** A pinned version blocked these inputs in this state of Vault; no answer of KMS can change that. */
export interface BlockedResult {
  readonly inputsHash: string;
  readonly reading: ReadingState;
  readonly failures: readonly KeyFailure[];
  /** The findings about the pinned version. */
  readonly pinFindings: readonly Finding[];
}

/** The state of a secret in Vault, without its data. */
interface ReadingState {
  readonly state: KvReading['state'];
  readonly version: KvVersion | undefined;
}

/** What is known about a resource at one place; replaced as soon as it moves to another place. */
export class PlaceRecord {
  fingerprint?: Fingerprint;
  lastSync?: { readonly inputs: Inputs; readonly state: SyncState };
  /** Another client may have written here; each suspicion is a separate object. */
  suspicion?: object;
  metadata?: MetadataRecord;
  private blockedResult?: BlockedResult;

  constructor(readonly place: Place) {}

  /** The earlier findings, if the inputs and the state of Vault are unchanged. */
  blocked(inputsHash: string, reading: KvReading): BlockedResult | undefined {
    const { blockedResult } = this;
    const same =
      blockedResult?.inputsHash === inputsHash && sameState(blockedResult.reading, stateOf(reading));
    return same ? blockedResult : undefined;
  }

  rememberBlocked({
    reading,
    ...rest
  }: Omit<BlockedResult, 'reading'> & { readonly reading: KvReading }): void {
    this.blockedResult = { ...rest, reading: stateOf(reading) };
  }

  /** Only what is compared with a reading of Vault before it is used. */
  verifiable(): PlaceRecord {
    const kept = new PlaceRecord(this.place);
    if (this.blockedResult !== undefined) kept.blockedResult = this.blockedResult;
    if (this.fingerprint?.dataMac !== undefined) {
      const { inputsHash, dataMac, failedKeys } = this.fingerprint;
      kept.fingerprint = { inputsHash, dataMac, failedKeys };
    }
    return kept;
  }
}

function stateOf(reading: KvReading): ReadingState {
  return { state: reading.state, version: reading.state === 'absent' ? undefined : reading.version };
}

function sameState(a: ReadingState, b: ReadingState): boolean {
  const sameVersion =
    a.version?.version === b.version?.version && a.version?.createdTime === b.version?.createdTime;
  return a.state === b.state && sameVersion;
}
