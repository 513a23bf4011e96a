import type { KMSVaultSecret } from '../api/resources.js';
import type { Priority } from '../queue/work-queue.js';
import type { KvReading, KvVersion } from '../vault/kv-store.js';
import type { WriteGuard } from './entitlement.js';
import type { Finding } from '../queue/outcome.js';
import type { KeyFailure } from './key-failure.js';
import type { KnownState } from './known-state.js';
import type { Place } from './place.js';
import type { Aggregate } from './secret-aggregator.js';
import type { SyncState } from './place-record.js';
import type { AskedSyncs } from './sync-now.js';

/** One validated and aggregated resource to sync. */
export interface SyncRequest {
  readonly secret: KMSVaultSecret;
  readonly place: Place;
  readonly aggregate: Aggregate;
  readonly inputsHash: string;
  readonly priority: Priority;
  /** Requests for a full sync: with one, everything is decrypted, whatever is known already. */
  readonly asked: AskedSyncs;
  /** What the status tells about this place; empty if it is about another place. */
  readonly known: KnownState;
  /** Checked right before each attempt of a write. */
  readonly guard: WriteGuard;
  /** See {@link FreshWork.catchUp}. */
  readonly catchUp: (signal: AbortSignal) => Promise<boolean>;
  /**
   * Records in the status what the place held before the first write there.
   *
   * @throws SupersededError, KubeError: nothing may be written then.
   */
  readonly claim: (reading: KvReading | 'unknown') => Promise<void>;
}

/** The result of a sync in Vault. */
export interface SyncResult {
  readonly state: Exclude<SyncState, 'pending'>;
  readonly findings: readonly Finding[];
  readonly failures: readonly KeyFailure[];
  /** The v2 version written or found equal; undefined on v1 or when blocked. */
  readonly version?: KvVersion;
  /**
   * Vault holds a value of this resource: it was written, or found equal. Only then may a finalizer delete it.
   */
  readonly claims: boolean;
  /** Why a write happened, if one did. */
  readonly wrote?: 'update' | 'drift';
  /** The data are in Vault, but the metadata must be tried again soon; a finding says why. */
  readonly retrySoon?: { readonly afterMs?: number };
  /** A live version that the operator did not write and that was replaced. */
  readonly replacedVersion?: number;
}
