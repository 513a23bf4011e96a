import { proxyErrorOf } from '../runtime/proxy-tunnel.js';
import { retryAfterMs } from '../runtime/retry-after.js';
import type { VaultOperation } from './vault-request.js';
import { knownReason } from './vault-answers.js';
import { temporaryRefusal, wasNotBegun } from './temporary-refusal.js';
import { isJsonObject } from './raw-json.js';
import { VaultError } from './vault-error.js';
import type { RawResponse } from './vault-transport.js';

/** Codes of Node's TLS layer that mean: the certificate, not the network. */
const CERTIFICATE_CODE = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY)_)/;
/** Codes that mean that no connection was established. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
]);
const SAFE_CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

/** A failure without an answer, reduced to its code: errors of Axios hold the request. */
export function networkFailure(code: string, operation: VaultOperation, error?: unknown): VaultError {
  const proxy = proxyErrorOf(error);
  if (proxy !== undefined)
    return new VaultError('unavailable', `cannot reach Vault: ${proxy.message}`, {
      operation,
      maybeDone: false,
    });
  const maybeDone = !NEVER_SENT.has(code) && !CERTIFICATE_CODE.test(code);
  return new VaultError('unavailable', networkMessage(code), { operation, maybeDone });
}

/**
 * Whether another attempt may succeed: not after a certificate, file or timeout error, and not for a login that may have
 * been sent, because a secret id may be valid for one use only.
 */
export function isWorthAnotherAttempt(code: string, operation: VaultOperation): boolean {
  if (operation === 'login' && !NEVER_SENT.has(code)) return false;
  if (CERTIFICATE_CODE.test(code) || /^(ERR_|PROXY_4)/.test(code)) return false;
  return !['ETIMEDOUT', 'ABORTED'].includes(code);
}

/** Only a proxy answers 407 (RFC 9110, 15.5.8); over plain HTTP it replaces the answer of Vault. */
export function proxyAsksForCredentials(operation: VaultOperation): VaultError {
  const message =
    'cannot reach Vault: the proxy requires credentials, or rejected those that it got (HTTP 407)';
  return new VaultError('unavailable', message, { status: 407, operation, maybeDone: false });
}

function networkMessage(code: string): string {
  if (code === 'ETIMEDOUT') return 'Vault did not answer in time (VAULT_CLIENT_TIMEOUT)';
  if (code === 'ABORTED') return 'the request to Vault was cancelled because the operator is shutting down';
  if (CERTIFICATE_CODE.test(code)) {
    return `cannot verify Vault's certificate (${code}): check the certificate, VAULT_CACERT, VAULT_CAPATH and VAULT_TLS_SERVER_NAME`;
  }
  if (/^ERR_(SSL|OSSL|TLS)_/.test(code)) {
    return `cannot establish a TLS connection to Vault (${code}): check VAULT_ADDR, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY`;
  }
  return `cannot reach Vault (${code}): check VAULT_ADDR and the network`;
}

/** A short stable code for a metric label: `ECONNREFUSED`, `ETIMEDOUT`, `CERT_HAS_EXPIRED` … */
export function networkCode(error: unknown): string {
  const { code, name } =
    proxyErrorOf(error) ??
    ((typeof error === 'object' && error !== null ? error : {}) as {
      code?: unknown;
      name?: unknown;
    });
  if (code === 'ECONNABORTED' || name === 'TimeoutError') return 'ETIMEDOUT';
  if (code === 'ERR_CANCELED' || name === 'AbortError') return 'ABORTED';
  return typeof code === 'string' && SAFE_CODE.test(code) ? code : 'EUNKNOWN';
}

/** 5xx, and the answers that `temporaryRefusal` knows. */
export function serverFailure(
  { status, headers, text, proxy }: RawResponse,
  operation: VaultOperation,
  now: Date,
): VaultError {
  const means = temporaryRefusal(status, text);
  const known = knownReason(text);
  const reason = known === '' && means !== undefined ? `: ${means}` : known;
  const who = proxy !== undefined && !isJsonObject(text) ? `the proxy ${proxy} or Vault` : 'Vault';
  const maybeDone = !wasNotBegun(status, text);
  return new VaultError(
    'unavailable',
    `${who} answered HTTP ${String(status)}${reason}`,
    { status, operation, maybeDone },
    retryAfterMs(headers['retry-after'], now),
  );
}
