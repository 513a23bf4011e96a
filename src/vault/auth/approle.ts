import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';

/** A role id and a secret id. */
export const appRoleMethod: VaultAuthMethod = {
  name: 'approle',
  variables: [
    { name: 'VAULT_APPROLE_ROLE_ID', description: 'the role id', required: true },
    {
      name: 'VAULT_APPROLE_SECRET_ID',
      description: 'the secret id; set and empty for a role with bind_secret_id=false',
      required: true,
      secret: true,
      mayBeEmpty: true,
    },
    {
      name: 'VAULT_APPROLE_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/approle/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    locksOut: true,
    login: (signal) => postLogin(client, values.VAULT_APPROLE_ENDPOINT ?? '', credentialsOf(values), signal),
  }),
};

/** A role that binds no secret id takes none (Vault, `builtin/credential/approle/path_login.go`). */
function credentialsOf(values: Readonly<Record<string, string>>): Record<string, string> {
  const { VAULT_APPROLE_ROLE_ID: role_id = '', VAULT_APPROLE_SECRET_ID: secret_id = '' } = values;
  return secret_id === '' ? { role_id } : { role_id, secret_id };
}
