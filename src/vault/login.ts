import type { VaultToken } from './authenticator.js';
import type { VaultClient } from './vault-client.js';
import { VaultError } from './vault-error.js';
import { objectMembers } from './raw-json.js';

/** Segments of an auth mount; the endpoint may lie at any depth. */
const ENDPOINT = /^[^\s%?#\\]+$/;

/** Checks an endpoint variable: `auth/…/login` of any depth, without leaving `auth/`. */
export function endpointProblem(value: string): string | undefined {
  const segments = value.replace(/^\/+|\/+$/g, '').split('/');
  const sound =
    ENDPOINT.test(value) &&
    segments.length >= 2 &&
    segments.every((segment) => !['', '.', '..'].includes(segment));
  return sound ? undefined : 'must be the path of a login endpoint, such as auth/kubernetes/login';
}

/**
 * Posts credentials to a login endpoint.
 *
 * @param path normalised, below `/v1/`.
 * @throws VaultError; nothing of the credentials or of the answer is part of it.
 */
export async function postLogin(
  client: VaultClient,
  path: string,
  credentials: Readonly<Record<string, string>>,
  signal?: AbortSignal,
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
    const failure = status === 403 ? 'forbidden' : 'rejected';
    throw new VaultError(
      failure,
      `Vault refused the login (HTTP ${String(status)}): check the credentials, the role and the mount of the auth method`,
      { status, operation: 'login' },
    );
  }
  return tokenOf(text);
}

interface AuthBlock {
  readonly client_token?: unknown;
  readonly lease_duration?: unknown;
  readonly renewable?: unknown;
}

function tokenOf(text: string): VaultToken {
  let auth: AuthBlock = {};
  try {
    auth = JSON.parse(objectMembers(text).get('auth') ?? '{}') as AuthBlock;
  } catch {
    // Falls through to the error below: what was answered may hold a token.
  }
  if (typeof auth.client_token !== 'string' || auth.client_token === '') {
    throw new VaultError('rejected', 'the login was answered without a token: check the login endpoint', {
      operation: 'login',
    });
  }
  return {
    token: auth.client_token,
    ttlSeconds: typeof auth.lease_duration === 'number' ? auth.lease_duration : 0,
    renewable: auth.renewable === true,
    ours: true,
    mayLookUp: true,
  };
}
