import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';

/** A role id and a secret id. */
export const appRoleMethod: VaultAuthMethod = {
  name: 'approle',
  variables: [
    { name: 'VAULT_APPROLE_ROLE_ID', description: 'the role id', required: true },
    { name: 'VAULT_APPROLE_SECRET_ID', description: 'the secret id', required: true, secret: true },
    {
      name: 'VAULT_APPROLE_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/approle/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    locksOut: true,
    login: (signal) =>
      postLogin(
        client,
        values.VAULT_APPROLE_ENDPOINT ?? '',
        { role_id: values.VAULT_APPROLE_ROLE_ID ?? '', secret_id: values.VAULT_APPROLE_SECRET_ID ?? '' },
        signal,
      ),
  }),
};
