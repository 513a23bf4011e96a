import type { ReadyReason } from '../api/reasons.js';

/** One thing to say about a resource; the message carries names, never values. */
export interface Finding {
  readonly reason: ReadyReason;
  readonly message: string;
}

/** How the reconcile of a key can end, and whether the queue tries it again by itself. */
export const RESULTS = {
  /** Everything that can be written is in Vault; a partial needs nothing. */
  synced: { retry: false },
  /** The finalizer is removed, or there is none. */
  deleted: { retry: false },
  /** There is no such resource any more. */
  gone: { retry: false },
  /** A partial waits until its keys have left Vault. */
  waiting: { retry: true },
  /** Nothing changes until somebody acts; looked at again at the next resync. */
  blocked: { retry: false },
  error: { retry: true },
  /** Somebody else may write the path by now. */
  superseded: { retry: false },
  /** The cache is behind the API server. */
  stale: { retry: true },
  /** Another replica leads. */
  standby: { retry: false },
  /** The operator stops. */
  abandoned: { retry: true },
} as const satisfies Readonly<Record<string, { readonly retry: boolean }>>;

/** How one reconcile of a key ended. */
export interface Outcome {
  /** Label of `reconcile_total`; decides whether the key is processed again with backoff. */
  readonly result: keyof typeof RESULTS;
  /** Before a retry, when the other side named a time. */
  readonly afterMs?: number;
  /** What there is to say about the resource; the most important reason is a metric label. */
  readonly findings?: readonly Finding[];
}
