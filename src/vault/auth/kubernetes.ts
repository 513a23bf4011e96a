import { readFile } from 'node:fs/promises';

import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import { VaultError } from '../vault-error.js';

/** Where a pod finds its service-account token (Kubernetes, "Configure Service Accounts for Pods"). */
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** The plugin answers whatever goes wrong with the review of a token so (hashicorp/vault-plugin-auth-kubernetes). */
const DENIED =
  'the API server did not accept the token for the audience of the role, or Vault may not ask it about tokens';

/** The pod's service-account token, read at every login because the kubelet rotates it. */
export const kubernetesMethod: VaultAuthMethod = {
  name: 'k8s',
  variables: [
    { name: 'VAULT_K8S_ROLE', description: "Vault's role", default: 'kms-vault-operator' },
    {
      name: 'VAULT_K8S_LOGIN_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/kubernetes/login',
      check: endpointProblem,
    },
    {
      name: 'VAULT_K8S_TOKEN_PATH',
      description: 'the file of the service-account token',
      default: TOKEN_FILE,
    },
  ],
  create: (values, { client }) => ({
    login: async (signal) => {
      const file = values.VAULT_K8S_TOKEN_PATH ?? TOKEN_FILE;
      const jwt = await readToken(file);
      const role = values.VAULT_K8S_ROLE ?? '';
      return await postLogin(client, values.VAULT_K8S_LOGIN_ENDPOINT ?? '', { role, jwt }, signal, DENIED);
    },
  }),
};

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const token = text?.trim() ?? '';
  if (token !== '') return token;
  const problem =
    text === undefined
      ? `cannot read the service-account token at ${file}`
      : `the file of the service-account token is empty: ${file}`;
  throw new VaultError('unavailable', `${problem}: mount one, or set VAULT_K8S_TOKEN_PATH`, {
    operation: 'login',
  });
}
