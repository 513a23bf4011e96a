import { type FailurePolicy, OperatorError } from '../api/errors.js';

/**
 * `wrong-input`: the resource must change (a closed list). `administrator`: key or permission must change. `transient`:
 * everything else, including unknown names.
 */
export type KmsFailure = 'wrong-input' | 'administrator' | 'transient';

/** The codes of wrong input, as `status.failedKeys` has them. */
const WRONG_INPUT: ReadonlySet<string> = new Set([
  'NotBase64',
  'InvalidLength',
  'InvalidCiphertext',
  'IncorrectKey',
  'ValidationError',
  'NotUtf8',
]);

/** Whether a key that failed with this code fails until the resource changes. */
export function isWrongInput(code: string): boolean {
  return WRONG_INPUT.has(code);
}

/**
 * A transient failure that may pass soon. `throttled`: a quota is exhausted and the request was not processed.
 * `momentary`: the connection or KMS failed, without a sign that this continues.
 */
export type Passing = 'throttled' | 'momentary';

const POLICY: Readonly<Record<KmsFailure, FailurePolicy>> = {
  'wrong-input': { reason: 'DecryptionFailed', retry: 'never' },
  administrator: { reason: 'DecryptionFailed' },
  transient: { reason: 'KmsUnavailable' },
};

/** A failed decryption; the message is built only from class and code. */
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
    /** Undefined: an immediate retry is useless. */
    readonly passing?: Passing,
  ) {
    super(message, POLICY[failure], retryAfterMs);
  }

  /** Whether the same input will always be refused. */
  get isFinal(): boolean {
    return this.retry === 'never';
  }

  /** The caller gave up: nothing is known about the input. */
  get isAbandoned(): boolean {
    return this.code === 'Abandoned';
  }
}
