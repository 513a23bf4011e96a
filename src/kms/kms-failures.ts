import { classifyCredentialsFailure } from '../runtime/aws-credentials-failure.js';
import { isNamed } from '../runtime/error-name.js';
import { type ProxyError, proxyErrorOf } from '../runtime/proxy-tunnel.js';
import { retryAfterMs } from '../runtime/retry-after.js';
import { KmsError, type KmsFailure, type Passing } from './kms-error.js';

interface Known {
  readonly failure: KmsFailure;
  readonly code: string;
  readonly message: string;
}

const ASK_ADMINISTRATOR = "check the key's state, its policy and the operator's IAM permissions";

/**
 * The errors of Decrypt by name (AWS KMS API reference, Decrypt, Errors). KMS does not distinguish a wrong encryption
 * context from a damaged ciphertext, or a wrong key from denied access, so the messages do not either.
 */
const KNOWN: Readonly<Record<string, Known>> = {
  InvalidCiphertextException: {
    failure: 'wrong-input',
    code: 'InvalidCiphertext',
    message: 'KMS rejected the ciphertext or its encryption context',
  },
  IncorrectKeyException: {
    failure: 'wrong-input',
    code: 'IncorrectKey',
    message: 'it was encrypted with another KMS key',
  },
  AccessDeniedException: {
    failure: 'administrator',
    code: 'AccessDenied',
    message: `KMS denied access to the key that encrypted it; ${ASK_ADMINISTRATOR}`,
  },
  NotFoundException: {
    failure: 'administrator',
    code: 'KeyNotFound',
    message: 'KMS cannot find the key that encrypted it in this account and region',
  },
  DisabledException: {
    failure: 'administrator',
    code: 'KeyDisabled',
    message: 'the key that encrypted it is disabled',
  },
  KMSInvalidStateException: {
    failure: 'administrator',
    code: 'KeyInvalidState',
    message:
      'the key that encrypted it is pending deletion or in another state that does not allow decryption',
  },
  InvalidKeyUsageException: {
    failure: 'administrator',
    code: 'InvalidKeyUsage',
    message: 'the usage of the key that encrypted it does not allow decryption',
  },
  InvalidGrantTokenException: {
    failure: 'administrator',
    code: 'InvalidGrantToken',
    message: `KMS rejected a grant; ${ASK_ADMINISTRATOR}`,
  },
};

/** Names of the errors in {@link KNOWN}, each of which concerns one ciphertext or one key. */
export const KNOWN_KMS_ERRORS: readonly string[] = Object.keys(KNOWN);

/**
 * Names that AWS services give to "too many requests" (AWS SDKs and Tools Reference Guide, Retry behavior);
 * KMS answers `ThrottlingException` with status 400.
 */
const THROTTLED: ReadonlySet<string> = new Set([
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'BandwidthLimitExceeded',
  'SlowDown',
]);
/** Names for requests whose signature or credentials AWS does not accept (AWS KMS API Reference, Common Errors). */
const NOT_AUTHENTICATED: ReadonlySet<string> = new Set([
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'ExpiredTokenException',
  'ExpiredToken',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'MissingAuthenticationToken',
]);
/** A longer `Retry-After` is left to the work queue. */
const MAX_PAUSE_MS = 1_000;

interface SdkError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly clockSkewCorrected?: unknown };
  readonly $retryable?: { readonly throttling?: unknown };
  readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
}

/** Classifies an error of the AWS SDK by name and status, never by its text. Unknown means transient. */
export function classifyKmsFailure(error: unknown): KmsError {
  if (error instanceof KmsError) return error;
  const proxy = proxyErrorOf(error);
  if (proxy !== undefined) return proxyFailure(proxy, 'KMS is unavailable');
  const failure = (typeof error === 'object' && error !== null ? error : {}) as SdkError;
  const { name, code, $metadata, $response } = failure;
  const known = typeof name === 'string' && Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (known !== undefined) return new KmsError(known.failure, known.code, known.message);
  if (name === 'ValidationException') {
    // Decrypt is sent with a blob and a context only, both checked before: what is left is the blob.
    return new KmsError('wrong-input', 'ValidationError', 'KMS does not recognise it as a ciphertext');
  }
  // A network error says more by its code (ECONNREFUSED) than by its name (Error).
  const label = [code, name].find(
    (text): text is string => typeof text === 'string' && text !== 'Error' && isSafe(text),
  );
  const status =
    typeof $metadata?.httpStatusCode === 'number' ? ` (HTTP ${String($metadata.httpStatusCode)})` : '';
  const shown = label ?? 'UnknownError';
  const afterMs = retryAfterMs($response?.headers?.['retry-after'], new Date());
  const passing = passingOf(failure, afterMs);
  const what = NOT_AUTHENTICATED.has(shown)
    ? 'KMS does not accept the AWS credentials'
    : 'KMS is unavailable';
  return new KmsError('transient', shown, `${what}: ${shown}${status}`, afterMs, passing);
}

/** A failure of the credential chain, which is not an answer of KMS and tells nothing about a key. */
export function credentialsFailure(error: unknown): KmsError {
  const { kind, proxy, reason } = classifyCredentialsFailure(error);
  if (proxy !== undefined) return proxyFailure(proxy, 'no AWS credentials for KMS');
  if (kind === 'none') {
    const message = `no AWS credentials for KMS: ${reason}; check the AWS identity`;
    return new KmsError('transient', 'CredentialsProviderError', message);
  }
  const message = `no AWS credentials for KMS, so no request was sent: ${reason}`;
  return new KmsError('transient', 'CredentialsRefused', message);
}

/** A refusal of a proxy is not an answer of AWS. */
function proxyFailure(proxy: ProxyError, what: string): KmsError {
  const code = proxy.status === undefined ? proxy.code : 'ProxyRefused';
  const passing = (proxy.status ?? 0) >= 500 ? 'momentary' : undefined;
  return new KmsError('transient', code, `${what}: ${proxy.message}`, undefined, passing);
}

/** KMS denies a ciphertext of another region in the same way, so the message names the region. */
export function withRegion(error: KmsError, region: string): KmsError {
  if (error.code !== 'AccessDenied') return error;
  const { failure, code, message } = error;
  const hint = `the request went to KMS in ${region}, which also denies ciphertexts of other regions`;
  return new KmsError(failure, code, `${message}; ${hint}`);
}

function passingOf(failure: SdkError, afterMs = 0): Passing | undefined {
  const { name, code, $metadata, $retryable } = failure;
  const status = $metadata?.httpStatusCode;
  if (status === 429 || $retryable?.throttling === true) return 'throttled';
  if (typeof name === 'string' && THROTTLED.has(name)) return 'throttled';
  // The SDK has learnt the time from the answer and uses it for signatures from now on.
  if ($metadata?.clockSkewCorrected === true) return 'momentary';
  if (afterMs > MAX_PAUSE_MS) return undefined;
  const fromNetwork = typeof code === 'string' || name === 'TimeoutError';
  return (status === undefined ? fromNetwork : typeof status === 'number' && status >= 500)
    ? 'momentary'
    : undefined;
}

function isSafe(text: string): boolean {
  return isNamed(text.replace(/_/g, ''));
}
