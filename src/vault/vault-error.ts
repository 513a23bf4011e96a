import { OperatorError, type Retry } from '../api/errors.js';
import type { ReadyReason } from '../api/reasons.js';

/**
 * `unavailable`: sealed, standby, 5xx, network, TLS, a login that was refused. `forbidden`: 403 with a
 * token that is alive. `engine-mismatch`: the mount is not what the resource says. `mount-gone`: Vault
 * says that there is no such mount. `rejected`: any other 4xx, on a v2 write most often check-and-set.
 */
export type VaultFailure = 'unavailable' | 'forbidden' | 'engine-mismatch' | 'mount-gone' | 'rejected';

const REASON: Readonly<Record<VaultFailure, ReadyReason>> = {
  unavailable: 'VaultUnavailable',
  forbidden: 'VaultForbidden',
  'engine-mismatch': 'EngineMismatch',
  'mount-gone': 'VaultForbidden',
  rejected: 'VaultForbidden',
};

/** A request to Vault that failed; built from status, operation and normalised path alone. */
export class VaultError extends OperatorError {
  readonly reason: ReadyReason;
  readonly retry: Retry;

  constructor(
    readonly failure: VaultFailure,
    message: string,
    readonly facts: { readonly status?: number; readonly operation?: string; readonly path?: string } = {},
    retryAfterMs?: number,
    /** Instead of what follows from the failure. */
    retry?: Retry,
  ) {
    super(message, retryAfterMs);
    this.reason = REASON[failure];
    this.retry = retry ?? (failure === 'unavailable' ? 'soon' : 'resync');
  }
}
