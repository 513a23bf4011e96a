/** The defaults of client-go's users. */
export const LEASE_DURATION_MS = 15_000;
export const RENEW_DEADLINE_MS = 10_000;
export const RETRY_PERIOD_MS = 2_000;

/** Who a replica is to the others, and its times. */
export interface LeaseSettings {
  /** `<hostname>_<uuid>` when absent. */
  readonly identity?: string;
  readonly leaseDurationMs?: number;
  /** Shorter than the lease: what is in flight has the difference to settle. */
  readonly renewDeadlineMs?: number;
  /** The longest pause between two looks at the lease; jitter makes it up to half shorter. */
  readonly retryPeriodMs?: number;
  /** In [0, 1), for the jitter. */
  readonly random?: () => number;
}
