import { VaultError } from './vault-error.js';
import type { VaultOperation, VaultResponse } from './vault-request.js';

/**
 * On 404 Vault lists no errors for a secret that does not exist, and a text for a mount that does not
 * (tried: `{"errors":[]}` and `no handler for route …`).
 */
export function isMountGone(status: number, text: string): boolean {
  return status === 404 && errorsOf(text).some((error) => error !== '');
}

/** The error of a 4xx answer; its texts may hold what was sent, so none is passed on. */
export function refusal(
  { status, text }: VaultResponse,
  operation: VaultOperation,
  path: string,
): VaultError {
  const facts = { status, operation, path };
  if (status === 403) {
    const what =
      { read: 'read', write: 'create or update', delete: 'delete' }[operation as 'read'] ?? operation;
    return new VaultError('forbidden', `Vault does not let this token ${what} ${path} (HTTP 403)`, facts);
  }
  if (isMountGone(status, text))
    return new VaultError('mount-gone', `Vault has no mount for ${path} any more`, facts);
  return new VaultError(
    'rejected',
    `Vault rejected the ${operation} of ${path} (HTTP ${String(status)})`,
    facts,
  );
}

function errorsOf(text: string): string[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) ? errors.filter((error): error is string => typeof error === 'string') : [];
  } catch {
    return [];
  }
}
