import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin, userLoginPath, userNameProblem } from '../login.js';
import type { LoginRefusals } from '../login-refusals.js';

/** From Vault's `builtin/credential/ldap` and `sdk/helper/ldaputil`. */
const REFUSALS: LoginRefusals = {
  known: [
    {
      text: 'ldap operation failed: failed to bind as user',
      advice: 'the LDAP server rejects the user name and password, or Vault cannot find the user there',
    },
    {
      text: 'ldap operation failed: failed to re-bind with the BindDN user',
      advice: 'check binddn and bindpass in the configuration of the auth method',
    },
    {
      text: 'ldap operation failed: failed to connect to LDAP server',
      advice: 'Vault cannot reach the LDAP server',
      isOutage: true,
    },
    { text: 'error connecting to host', advice: 'Vault cannot reach the LDAP server', isOutage: true },
    // After the password has been accepted.
    ...['LDAP search failed', 'LDAP bind (service) failed'].map((text) => ({
      text,
      advice: 'Vault cannot reach the LDAP server, or the configuration of the auth method is wrong',
      isOutage: true,
    })),
    { text: 'auth method not configured' },
    { text: 'ldap backend not configured' },
  ],
  denied: 'Vault has locked the user after failed logins, or the auth method is bound to other addresses',
};

/** User name and password of a directory. The user name becomes part of the path and is escaped. */
export const ldapMethod: VaultAuthMethod = {
  name: 'ldap',
  description: 'User name and password of an LDAP directory.',
  variables: [
    {
      name: 'VAULT_LDAP_USERNAME',
      description: 'the user name',
      required: true,
      check: userNameProblem,
    },
    {
      name: 'VAULT_LDAP_PASSWORD',
      description: 'the password',
      required: true,
      secret: true,
      verbatim: true,
    },
    {
      name: 'VAULT_LDAP_ENDPOINT',
      description: 'the login endpoint, without the user name',
      default: 'auth/ldap/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    locksOut: true,
    login: (signal) => {
      const path = userLoginPath(values.VAULT_LDAP_ENDPOINT, values.VAULT_LDAP_USERNAME);
      return postLogin(client, path, { password: values.VAULT_LDAP_PASSWORD ?? '' }, signal, REFUSALS);
    },
  }),
};
