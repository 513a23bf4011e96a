import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import { NO_KNOWN_REFUSALS } from '../login-refusals.js';

/** A GitHub token of a member of the organisation that Vault is configured for. */
export const githubMethod: VaultAuthMethod = {
  name: 'github',
  description: 'A GitHub token of a member of the organisation that Vault is configured for.',
  variables: [
    { name: 'VAULT_GITHUB_TOKEN', description: 'the GitHub token', required: true, secret: true },
    {
      name: 'VAULT_GITHUB_AUTH_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/github/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    login: (signal) =>
      postLogin(
        client,
        values.VAULT_GITHUB_AUTH_ENDPOINT ?? '',
        { token: values.VAULT_GITHUB_TOKEN ?? '' },
        signal,
        NO_KNOWN_REFUSALS,
      ),
  }),
};
