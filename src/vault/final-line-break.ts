import type { VariableSpec } from '../config/config.js';
import { endsWithLineBreak } from '../config/stray-characters.js';
import type { VaultAuthenticator } from './authenticator.js';
import { VaultError } from './vault-error.js';

/**
 * Adds to a refusal of Vault the verbatim variables that end with a line break: it was sent as part of the value, and
 * nothing in the answer of Vault hints at it.
 */
export function withLineBreakNamed(
  authenticator: VaultAuthenticator,
  variables: readonly VariableSpec[],
  values: Readonly<Record<string, string>>,
): VaultAuthenticator {
  const names = endsWithLineBreak(variables, values);
  if (names.length === 0) return authenticator;
  return {
    ...authenticator,
    login: async (signal) => {
      try {
        return await authenticator.login(signal);
      } catch (error) {
        if (!(error instanceof VaultError) || error.isOutage) throw error;
        const message = `${error.message}; ${names.join(' and ')} ends with a line break, which was sent as part of the value`;
        throw new VaultError(error.failure, message, error.facts, error.retryAfterMs, error.retry);
      }
    },
  };
}
