import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin, userLoginPath, userNameProblem } from '../login.js';
import type { LoginRefusals } from '../login-refusals.js';

/** From Vault's `builtin/credential/userpass/path_login.go`, and `isUserLocked` in vault/request_handling.go. */
const REFUSALS: LoginRefusals = {
  known: [{ text: 'invalid username or password' }],
  denied: 'Vault has locked the user after failed logins, or the user is bound to other addresses',
};

/** User name and password. The user name becomes part of the path and is escaped. */
export const userpassMethod: VaultAuthMethod = {
  name: 'userpass',
  description: 'User name and password.',
  variables: [
    {
      name: 'VAULT_USERNAME',
      description: 'the user name',
      required: true,
      check: userNameProblem,
    },
    { name: 'VAULT_PASSWORD', description: 'the password', required: true, secret: true, verbatim: true },
    {
      name: 'VAULT_USERPASS_ENDPOINT',
      description: 'the login endpoint, without the user name',
      default: 'auth/userpass/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    locksOut: true,
    login: (signal) => {
      const path = userLoginPath(values.VAULT_USERPASS_ENDPOINT, values.VAULT_USERNAME);
      return postLogin(client, path, { password: values.VAULT_PASSWORD ?? '' }, signal, REFUSALS);
    },
  }),
};
