import { CONTEXT_NOT_ALLOWED } from '../api/required-context.js';
import { isWrongInput } from '../kms/kms-error.js';

/** Whether a key that failed with this code, as `status.failedKeys` has it, fails until its input or a flag changes. */
export function isFinalCode(code: string): boolean {
  return code === CONTEXT_NOT_ALLOWED || isWrongInput(code);
}

/** A key that failed and keeps the value that Vault has for it. */
export interface KeyFailure {
  readonly key: string;
  /** Code and message of the {@link KmsError}, or `ContextNotAllowed` and what the context lacks. */
  readonly code: string;
  readonly message: string;
  /** KMS is not called again until the input changes. */
  readonly isFinal: boolean;
}
