import { OperatorError, type Retry } from '../api/errors.js';
import type { ReadyReason } from '../api/reasons.js';

/**
 * `wrong-input`: the resource must change (a closed list). `administrator`: key or permission must
 * change. `transient`: everything else, names never seen before included.
 */
export type KmsFailure = 'wrong-input' | 'administrator' | 'transient';

/**
 * A transient failure that may be over at once. `throttled`: a quota is used up, and the request was not
 * looked at. `momentary`: the connection or KMS failed, and nothing says that it goes on.
 */
export type Passing = 'throttled' | 'momentary';

const RETRY: Readonly<Record<KmsFailure, Retry>> = {
  'wrong-input': 'never',
  administrator: 'resync',
  transient: 'soon',
};

/** A decryption that failed; built from the failure's class and code alone. */
export class KmsError extends OperatorError {
  readonly reason: ReadyReason;
  readonly retry: Retry;

  /**
   * @param code short and stable, such as `InvalidCiphertext`, `NotBase64`, `AccessDenied` or
   *   `Throttling`; shown in `status.failedKeys[].reason`.
   */
  constructor(
    readonly failure: KmsFailure,
    readonly code: string,
    message: string,
    retryAfterMs?: number,
    /** Undefined: asking again at once is no use. */
    readonly passing?: Passing,
  ) {
    super(message, retryAfterMs);
    this.reason = failure === 'transient' ? 'KmsUnavailable' : 'DecryptionFailed';
    this.retry = RETRY[failure];
  }
}
