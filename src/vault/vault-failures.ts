import type { VaultOperation } from './vault-request.js';
import { VaultError } from './vault-error.js';

/** Codes of Node's TLS layer that mean: the certificate, not the network. */
const CERTIFICATE_CODE = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_)/;
const SAFE_CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

/** A failure without an answer, reduced to its code: Axios hangs the request on its errors. */
export function networkFailure(error: unknown, operation: VaultOperation): VaultError {
  const code = networkCode(error);
  if (CERTIFICATE_CODE.test(code)) {
    const message = `Vault's certificate is not accepted (${code}): check it and VAULT_CACERT or VAULT_CAPATH`;
    return new VaultError('unavailable', message, { operation });
  }
  const message =
    code === 'ETIMEDOUT'
      ? 'Vault did not answer in time (VAULT_CLIENT_TIMEOUT)'
      : `Vault cannot be reached (${code}): check VAULT_ADDR and the network`;
  return new VaultError('unavailable', message, { operation });
}

/** A short stable code for a metric label: `ECONNREFUSED`, `ETIMEDOUT`, `CERT_HAS_EXPIRED` … */
export function networkCode(error: unknown): string {
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    name?: unknown;
  };
  if (code === 'ERR_CANCELED' || code === 'ECONNABORTED' || name === 'TimeoutError') return 'ETIMEDOUT';
  return typeof code === 'string' && SAFE_CODE.test(code) ? code : 'EUNKNOWN';
}

/** 5xx, 412 (not yet replicated) and 429 (rate limit or standby). */
export function serverFailure(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  operation: VaultOperation,
  text: string,
): VaultError {
  const retryAfter = headers['retry-after'];
  const retryAfterMs =
    typeof retryAfter === 'string' && /^[0-9]{1,5}$/.test(retryAfter)
      ? Number(retryAfter) * 1_000
      : undefined;
  const sealed = status === 503 && text.includes('Vault is sealed') ? ': Vault is sealed' : '';
  return new VaultError(
    'unavailable',
    `Vault answered HTTP ${String(status)}${sealed}`,
    { status, operation },
    retryAfterMs,
  );
}
