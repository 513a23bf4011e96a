import { REASONS, type ReadyReason, type Retry } from './reasons.js';

/** The reason and retry of an error. */
export interface FailurePolicy {
  readonly reason: ReadyReason;
  /** Overrides the retry of the reason. */
  readonly retry?: Retry;
}

/**
 * The root of every error that the operator raises on purpose. `reason` feeds condition, event and metric label.
 * Messages and fields carry names, paths and status codes only, never a value, a token or a body; a foreign error is
 * never attached as `cause`, because Axios and the AWS SDK attach requests and headers to theirs.
 */
export abstract class OperatorError extends Error {
  readonly reason: ReadyReason;
  readonly retry: Retry;
  /** What the other side asked for with `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  protected constructor(message: string, { reason, retry }: FailurePolicy, retryAfterMs?: number) {
    super(message);
    this.name = new.target.name;
    this.reason = reason;
    this.retry = retry ?? REASONS[reason].retry;
    this.retryAfterMs = retryAfterMs;
  }

  /** The request was not refused: there was no answer, or one that means "not now". */
  get isOutage(): boolean {
    return REASONS[this.reason].outage;
  }
}
