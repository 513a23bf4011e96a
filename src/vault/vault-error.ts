import { type FailurePolicy, OperatorError } from '../api/errors.js';
import type { Retry } from '../api/reasons.js';

/**
 * `unavailable`: sealed, standby, 5xx, network, TLS, a login that was refused. `forbidden`: 403 with a
 * token that is alive. `engine-mismatch`: the mount is not what the resource says. `mount-gone`: Vault
 * says that there is no such mount. `rejected`: any other 4xx, on a v2 write most often check-and-set.
 */
export type VaultFailure = 'unavailable' | 'forbidden' | 'engine-mismatch' | 'mount-gone' | 'rejected';

const POLICY: Readonly<Record<VaultFailure, FailurePolicy>> = {
  unavailable: { reason: 'VaultUnavailable' },
  forbidden: { reason: 'VaultForbidden' },
  'engine-mismatch': { reason: 'EngineMismatch' },
  'mount-gone': { reason: 'VaultForbidden' },
  rejected: { reason: 'VaultForbidden' },
};

/** A request to Vault that failed; built from status, operation and normalised path alone. */
export class VaultError extends OperatorError {
  constructor(
    readonly failure: VaultFailure,
    message: string,
    readonly facts: {
      readonly status?: number;
      readonly operation?: string;
      readonly path?: string;
      /** Vault may have worked on the request: nothing says that it did not. */
      readonly maybeDone?: boolean;
    } = {},
    retryAfterMs?: number,
    /** Instead of what follows from the failure. */
    retry?: Retry,
  ) {
    super(message, retry === undefined ? POLICY[failure] : { ...POLICY[failure], retry }, retryAfterMs);
  }

  /** The token lacks a permission. A 403 that may pass soon, such as right after a login, is no such answer. */
  get isDenied(): boolean {
    return this.failure === 'forbidden' && this.retry !== 'soon';
  }
}
