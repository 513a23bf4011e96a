/** The usual defaults of client-go's leader election. */
export const LEASE_DURATION_MS = 15_000;
export const RENEW_DEADLINE_MS = 10_000;
export const RETRY_PERIOD_MS = 2_000;

/** The identity of a replica and the timings of its election. */
export interface LeaseSettings {
  /** `<hostname>_<uuid>` when absent. */
  readonly identity?: string;
  readonly leaseDurationMs?: number;
  /** Shorter than the lease: requests in flight have the difference to finish. */
  readonly renewDeadlineMs?: number;
  /** The longest pause between two reads of the lease; jitter shortens it by up to half. */
  readonly retryPeriodMs?: number;
  /** In [0, 1), for the jitter. */
  readonly random?: () => number;
}
