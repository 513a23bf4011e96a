import type { ReadyReason } from './reasons.js';

/**
 * When a failed reconcile is tried again: `soon` with the queue's backoff, `resync` at the next sync
 * period, `never` until the resource changes.
 */
export type Retry = 'soon' | 'resync' | 'never';

/**
 * The root of every error that the operator raises on purpose. `reason` feeds condition, event and
 * metric label. Messages and fields carry names, paths and status codes only, never a value, a token
 * or a body; a foreign error is never attached as `cause`, because Axios and the AWS SDK hang requests
 * and headers on theirs.
 */
export abstract class OperatorError extends Error {
  abstract readonly reason: ReadyReason;
  abstract readonly retry: Retry;
  /** What the other side asked for with `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  protected constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.name = new.target.name;
    this.retryAfterMs = retryAfterMs;
  }
}
