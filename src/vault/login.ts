import type { VaultToken } from './authenticator.js';
import { VaultError } from './vault-error.js';
import type { VaultRequests } from './vault-request.js';
import { loginRefusal, type LoginRefusals, refusalText } from './login-refusals.js';
import { answerMembers, knownReason } from './vault-answers.js';

/** Segments of an auth mount; the endpoint may lie at any depth. */
const ENDPOINT = /^[^\s%?#\\]+$/;

/** A token is sent as a header. */
export const HEADER_SAFE = /^[\u0021-\u007e]+$/;

/** Checks an endpoint variable: any path without dot segments, such as `auth/my/deep/mount/login`. */
export function endpointProblem(value: string): string | undefined {
  const segments = value.replace(/^\/+|\/+$/g, '').split('/');
  const sound =
    ENDPOINT.test(value) &&
    segments.length >= 2 &&
    segments.every((segment) => !['', '.', '..'].includes(segment));
  return sound ? undefined : 'must be the path of a login endpoint, such as auth/kubernetes/login';
}

/** Checks a user name that becomes the last segment of a login endpoint. */
export function userNameProblem(value: string): string | undefined {
  return /^\.{1,2}$|[/\\]/.test(value) ? 'is not a user name' : undefined;
}

/** The path of a login whose last segment is the user name. */
export function userLoginPath(endpoint = '', user = ''): string {
  return `${endpoint.replace(/\/+$/, '')}/${user}`;
}

/**
 * Posts credentials to a login endpoint.
 *
 * @param path normalised, below `/v1/`.
 * @param refusals what Vault is known to refuse logins of this method with.
 * @throws VaultError; nothing of the credentials or of the answer is part of it.
 */
export async function postLogin(
  client: VaultRequests,
  path: string,
  credentials: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  refusals: LoginRefusals,
): Promise<VaultToken> {
  const endpoint = path.replace(/^\/+|\/+$/g, '');
  const { status, text } = await client.request({
    method: 'POST',
    path: endpoint,
    operation: 'login',
    body: JSON.stringify(credentials),
    signal,
  });
  if (status !== 200) {
    const refusal = loginRefusal(text, refusals);
    const why = `HTTP ${String(status)}${refusal === undefined ? knownReason(text) : refusalText(refusal)}`;
    const about = { status, operation: 'login' };
    if (refusal?.isOutage === true) {
      throw new VaultError('unavailable', `Vault could not check the login (${why})`, about);
    }
    throw new VaultError(
      status === 403 ? 'forbidden' : 'rejected',
      `Vault refused the login (${why}); check the credentials, the role and the login endpoint`,
      about,
    );
  }
  return tokenOf(text);
}

interface AuthBlock {
  readonly client_token?: unknown;
  readonly lease_duration?: unknown;
  readonly renewable?: unknown;
}

/** @throws VaultError; what was answered may hold a token and is not part of it. */
function tokenOf(text: string): VaultToken {
  const auth = JSON.parse(answerMembers(text, 'login').get('auth') ?? 'null') as AuthBlock | null;
  const token = auth?.client_token;
  if (typeof token !== 'string' || !HEADER_SAFE.test(token)) {
    throw new VaultError(
      'rejected',
      'the response to the login contains no token: check the login endpoint',
      {
        operation: 'login',
      },
    );
  }
  return {
    token,
    ttlSeconds: typeof auth?.lease_duration === 'number' ? auth.lease_duration : 0,
    renewable: auth?.renewable === true,
    ours: true,
    mayLookUp: true,
  };
}
