import { isJsonObject, objectMembers } from './raw-json.js';
import { VaultError } from './vault-error.js';
import type { VaultOperation, VaultResponse } from './vault-request.js';

/**
 * Texts of Vault and OpenBao that contain nothing of a request (verified). Only these are passed on; any other may
 * repeat what was sent.
 */
const KNOWN_TEXTS: readonly string[] = [
  'batch tokens cannot be renewed',
  'check-and-set parameter did not match the current version',
  'check-and-set parameter required for this call',
  'error parsing JSON',
  'http: request body too large',
  'invalid username or password',
  'lease is not renewable',
  'missing data fields',
  'missing jwt',
  'missing role',
  'namespace not found',
  'no data provided',
  'permission denied',
  'Vault is sealed',
];

/** What to do about it, where the text alone does not say. */
const ADVICE: Readonly<Record<string, string>> = {
  "failed to verify client's certificate": 'it has expired, or is not a client certificate',
  'error parsing JSON': 'the secret may have more strings than the server accepts (max_request_json_strings)',
  'http: request body too large': 'the secret is larger than the server accepts (max_request_size)',
  'namespace not found': 'check VAULT_NAMESPACE',
};

/** What a 404 says: no such secret, no such mount, or something else. */
export type NotFound = 'secret' | 'mount' | 'other';

/**
 * On 404 Vault lists no errors for a secret that does not exist, and a text for a mount that does not
 * (tried: `{"errors":[]}` and `no handler for route …`). Anything else, such as an unknown namespace or
 * the page of a proxy, says nothing of the secret.
 */
export function notFound(text: string): NotFound {
  if (!isJsonObject(text) || objectMembers(text).get('errors')?.startsWith('[') !== true) return 'other';
  const errors = errorsOf(text);
  if (errors.length === 0) return 'secret';
  return errors.some((error) => error.startsWith('no handler for route')) ? 'mount' : 'other';
}

/**
 * Whether a 403 is about the token rather than a permission (tried): a dead token is answered with the
 * bare `permission denied`, or with two errors of which one is `invalid token`; a living one without the
 * permission with `1 error occurred: * permission denied` or another text.
 */
export function saysTokenIsInvalid(text: string): boolean {
  return namesUnknownToken(text) || errorsOf(text).includes('permission denied');
}

/** Whether a 403 says that the token itself is not known. */
export function namesUnknownToken(text: string): boolean {
  return errorsOf(text).some((error) => /\b(invalid|bad) token\b/.test(error));
}

/** As {@link KNOWN_TEXTS}, but only the beginning is known. */
const KNOWN_BEGINNINGS: readonly string[] = ["failed to verify client's certificate"];

/** The reason that Vault gives, if it is one of the closed list: `: check VAULT_NAMESPACE` and the like. */
export function knownReason(text: string): string {
  const errors = errorsOf(text);
  const known =
    errors.find((error) => KNOWN_TEXTS.includes(error)) ??
    KNOWN_BEGINNINGS.find((beginning) => errors.some((error) => error.startsWith(`${beginning}: `)));
  if (known === undefined) return '';
  const advice = ADVICE[known];
  return advice === undefined ? `: ${known}` : `: ${known}; ${advice}`;
}

/** The error of a 4xx answer to a request for a secret. */
export function refusal(
  { status, text, mayPass }: VaultResponse,
  operation: VaultOperation,
  path: string,
): VaultError {
  const facts = { status, operation, path };
  if (status === 403) {
    return new VaultError(
      'forbidden',
      `Vault does not allow this token to ${VERBS[operation] ?? operation} ${path} (HTTP 403)`,
      facts,
      undefined,
      mayPass === true ? 'soon' : 'resync',
    );
  }
  if (status === 404 && notFound(text) === 'mount') {
    return new VaultError('mount-gone', `Vault no longer has a mount for ${path}`, facts);
  }
  return new VaultError(
    'rejected',
    `Vault rejected the ${operation} of ${path} (HTTP ${String(status)}${knownReason(text)})`,
    facts,
  );
}

const VERBS: Partial<Readonly<Record<VaultOperation, string>>> = {
  read: 'read',
  write: 'create or update',
  delete: 'delete',
};

/**
 * The members of an answer, or of a member of it.
 *
 * @throws VaultError `unavailable` when Vault would not answer so; the text is not part of it.
 */
export function answerMembers(text: string, operation: VaultOperation, path?: string): Map<string, string> {
  try {
    return objectMembers(text);
  } catch {
    throw unexpectedAnswer(operation, path);
  }
}

/** A 2xx answer in another form than Vault's documentation describes. */
export function unexpectedAnswer(operation: VaultOperation, path?: string): VaultError {
  return new VaultError(
    'unavailable',
    `the response to the ${operation} is not in Vault's format: check that VAULT_ADDR points at Vault`,
    { operation, ...(path === undefined ? {} : { path }) },
  );
}

/** The texts of an answer of Vault; they may repeat what was sent and are never passed on as they are. */
export function errorsOf(text: string): string[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) ? errors.filter((error): error is string => typeof error === 'string') : [];
  } catch {
    return [];
  }
}
