import type { VaultAuthMethod, VaultToken } from '../authenticator.js';
import { HEADER_SAFE } from '../login.js';
import { TokenApi } from '../token-api.js';
import { VaultError } from '../vault-error.js';

/** A token from the environment: there is no login, the token is only looked up. */
export const tokenMethod: VaultAuthMethod = {
  name: 'token',
  description: 'An existing token.',
  variables: [
    {
      name: 'VAULT_TOKEN',
      description: 'the token to use; set and empty where a Vault Agent or Proxy adds one',
      required: true,
      secret: true,
      mayBeEmpty: true,
      trimmed: true,
      check: (value) =>
        HEADER_SAFE.test(value) ? undefined : 'contains characters that are not allowed in a token',
    },
  ],
  create: (values, { client }) => {
    const token = values.VAULT_TOKEN ?? '';
    const api = new TokenApi(client);
    if (token === '') return { givesToken: true, login: (signal) => agentsToken(api, signal) };
    return {
      givesToken: true,
      login: async (signal): Promise<VaultToken> => {
        const seen = await api.lookUp(token, signal);
        if (seen === 'dead') {
          throw new VaultError(
            'forbidden',
            'Vault does not accept VAULT_TOKEN: it is wrong, expired or revoked',
            {
              status: 403,
              operation: 'login',
            },
          );
        }
        return seen === 'not_permitted'
          ? { token, ttlSeconds: 0, renewable: false, ours: false, mayLookUp: false }
          : { token, ...seen, ours: false, mayLookUp: true };
      },
    };
  },
};

/**
 * A Vault Agent or Proxy with auto-auth adds its own token to requests that have none, and renews it: for this
 * process it never ends (Vault documentation, Vault Proxy, `use_auto_auth_token`).
 */
async function agentsToken(api: TokenApi, signal?: AbortSignal): Promise<VaultToken> {
  const seen = await api.lookUp('', signal);
  if (seen === 'dead') {
    const message =
      'VAULT_TOKEN is empty, and no Vault Agent or Proxy adds a valid token: set it, or point VAULT_ADDR at a ' +
      'Vault Agent or Proxy with use_auto_auth_token that has logged in';
    // The Agent adds nothing until its own login succeeds; nothing of ours was refused.
    throw new VaultError('unavailable', message, { status: 403, operation: 'login' });
  }
  const eternal = { token: '', ttlSeconds: 0, renewable: false, ours: false };
  if (seen === 'not_permitted') return { ...eternal, mayLookUp: false };
  const { issued } = seen;
  return { ...eternal, mayLookUp: true, ...(issued === undefined ? {} : { issued }) };
}
