import type { VaultAuthMethod, VaultToken } from '../authenticator.js';
import { HEADER_SAFE } from '../login.js';
import { TokenApi } from '../token-api.js';
import { VaultError } from '../vault-error.js';

/** A token from the environment: nothing is logged in to, the token is looked at. */
export const tokenMethod: VaultAuthMethod = {
  name: 'token',
  variables: [
    {
      name: 'VAULT_TOKEN',
      description: 'the token to use',
      required: true,
      secret: true,
      check: (value) => (HEADER_SAFE.test(value) ? undefined : 'contains characters that no token has'),
    },
  ],
  create: (values, { client }) => {
    const token = values.VAULT_TOKEN ?? '';
    const api = new TokenApi(client);
    return {
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
