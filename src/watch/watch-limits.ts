import { NAMED_WAIT_LIMITS_MS } from '../runtime/wait-limits.js';

/** Timings and limits of a watch. */
export interface WatchLimits {
  /** Items per page of a list. */
  readonly pageSize: number;
  /** After so long the server is asked to end a stream; up to half more by chance, to spread replicas. */
  readonly timeoutSeconds: number;
  /**
   * A stream without any byte for so long is dead. API servers send a bookmark every minute
   * (`defaultBookmarkFrequency` in apiserver's cacher.go), and one two seconds before they end a stream:
   * a much lower limit would take a quiet stream for a dead one.
   */
  readonly inactivityMs: number;
  /** A stream that lasted this long was healthy: the next reconnect does not back off. */
  readonly healthyAfterMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A longer `Retry-After` is cut to this. */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_WATCH_LIMITS: WatchLimits = {
  pageSize: 500,
  timeoutSeconds: 300,
  inactivityMs: 90_000,
  healthyAfterMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  maxRetryAfterMs: NAMED_WAIT_LIMITS_MS.watch,
};
