/** How a watch behaves in time. */
export interface WatchLimits {
  /** Items per page of a list. */
  readonly pageSize: number;
  /** After so long the server is asked to end a stream; up to half more by chance, to spread replicas. */
  readonly timeoutSeconds: number;
  /** A stream without any byte for so long is dead. API servers send a bookmark about every minute. */
  readonly inactivityMs: number;
  /** A stream that lived so long was healthy: the next reconnect does not back off. */
  readonly healthyAfterMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A longer `Retry-After` is cut to this. */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_WATCH_LIMITS: WatchLimits = {
  pageSize: 500,
  timeoutSeconds: 300,
  inactivityMs: 120_000,
  healthyAfterMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  maxRetryAfterMs: 600_000,
};
