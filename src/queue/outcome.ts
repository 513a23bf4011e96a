import type { Progress, ReadyReason } from '../api/reasons.js';

/** One finding to report about a resource; the message holds names, never values. */
export interface Finding {
  readonly reason: ReadyReason;
  readonly message: string;
  /** Overrides that of the reason. */
  readonly progress?: Progress;
}

/** How the reconcile of a key can end, and whether the queue retries it. */
export const RESULTS = {
  /** Everything that can be written is in Vault; a partial needs no write. */
  synced: { retry: false },
  /** The finalizer is removed, or there is none. */
  deleted: { retry: false },
  /** The resource does not exist any more. */
  gone: { retry: false },
  /** A deleted partial waits until its keys are removed from Vault. */
  waiting: { retry: true },
  /** Somebody must act; tried again at the next resync. */
  blocked: { retry: false },
  /** `spec.suspend` is true. */
  suspended: { retry: false },
  error: { retry: true },
  /** Another resource owns the path now. */
  superseded: { retry: false },
  /** The cache is behind the API server. */
  stale: { retry: true },
  /** Another replica is the leader. */
  standby: { retry: false },
  /** The operator is shutting down. */
  abandoned: { retry: true },
} as const satisfies Readonly<Record<string, { readonly retry: boolean }>>;

/** How one reconcile of a key ended. */
export interface Outcome {
  /** The label of `reconcile_total`; decides whether the key is retried with backoff. */
  readonly result: keyof typeof RESULTS;
  /** The minimum delay of a retry, if the server asked for one. */
  readonly afterMs?: number;
  /** The findings about the resource; the most important reason becomes a metric label. */
  readonly findings?: readonly Finding[];
}
