import { type FailurePolicy, OperatorError } from '../api/errors.js';

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

const POLICY: Readonly<Record<KmsFailure, FailurePolicy>> = {
  'wrong-input': { reason: 'DecryptionFailed', retry: 'never' },
  administrator: { reason: 'DecryptionFailed' },
  transient: { reason: 'KmsUnavailable' },
};

/** A decryption that failed; built from the failure's class and code alone. */
export class KmsError extends OperatorError {
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
    super(message, POLICY[failure], retryAfterMs);
  }

  /** The same input will always be refused. */
  get isFinal(): boolean {
    return this.retry === 'never';
  }
}
