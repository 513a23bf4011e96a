import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import type { LoginRefusals } from '../login-refusals.js';

/** From Vault's `builtin/credential/approle/path_login.go`. */
const REFUSALS: LoginRefusals = {
  known: [
    { text: 'invalid role or secret ID' },
    { text: 'invalid secret_id' },
    { text: 'missing secret_id' },
    { text: 'source address', advice: 'the role or the secret id is bound to other addresses' },
  ],
  // `isUserLocked` in vault/request_handling.go.
  denied: 'Vault has locked the role id after failed logins',
};

/** A role id and a secret id. */
export const appRoleMethod: VaultAuthMethod = {
  name: 'approle',
  description: 'A role id and a secret id.',
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
    usesUp: 'secret id',
    login: (signal) =>
      postLogin(client, values.VAULT_APPROLE_ENDPOINT ?? '', credentialsOf(values), signal, REFUSALS),
  }),
};

/** A role with `bind_secret_id=false` takes no secret id (Vault, `builtin/credential/approle/path_login.go`). */
function credentialsOf(values: Readonly<Record<string, string>>): Record<string, string> {
  const { VAULT_APPROLE_ROLE_ID: role_id = '', VAULT_APPROLE_SECRET_ID: secret_id = '' } = values;
  return secret_id === '' ? { role_id } : { role_id, secret_id };
}
