import { type FailurePolicy, OperatorError } from '../api/errors.js';
import type { Retry } from '../api/reasons.js';

/**
 * `unavailable`: sealed, standby, 5xx, network, TLS, a refused login. `forbidden`: 403 with a valid token.
 * `engine-mismatch`: the mount has another engine than the resource says. `mount-gone`: Vault says that there is no such
 * mount. `rejected`: any other 4xx, on a v2 write usually check-and-set.
 */
export type VaultFailure = 'unavailable' | 'forbidden' | 'engine-mismatch' | 'mount-gone' | 'rejected';

const POLICY: Readonly<Record<VaultFailure, FailurePolicy>> = {
  unavailable: { reason: 'VaultUnavailable' },
  forbidden: { reason: 'VaultForbidden' },
  'engine-mismatch': { reason: 'EngineMismatch' },
  'mount-gone': { reason: 'VaultForbidden' },
  rejected: { reason: 'VaultForbidden' },
};

/** A `rejected` request proves nothing: a gateway answers with 408 while Vault works on. */
const NEVER_DONE: ReadonlySet<VaultFailure> = new Set(['forbidden', 'engine-mismatch', 'mount-gone']);

/** A failed request to Vault; the message holds only status, operation and normalised path. */
export class VaultError extends OperatorError {
  constructor(
    readonly failure: VaultFailure,
    message: string,
    readonly facts: {
      readonly status?: number;
      readonly operation?: string;
      readonly path?: string;
      /** Whether Vault may have processed the request; absent where that is not known. */
      readonly maybeDone?: boolean;
    } = {},
    retryAfterMs?: number,
    /** Overrides the policy of the failure. */
    retry?: Retry,
  ) {
    super(message, retry === undefined ? POLICY[failure] : { ...POLICY[failure], retry }, retryAfterMs);
  }

  /** Vault surely did not process the request: it never arrived, or Vault refused it. */
  get hadNoEffect(): boolean {
    const { maybeDone } = this.facts;
    return maybeDone === undefined ? NEVER_DONE.has(this.failure) : !maybeDone;
  }

  /** The token lacks a permission. A 403 that may pass soon, such as right after a login, does not count. */
  get isDenied(): boolean {
    return this.failure === 'forbidden' && this.retry !== 'soon';
  }
}
