import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import { readLoginFile } from '../login-file.js';
import { CLAIM_REFUSALS, type LoginRefusals } from '../login-refusals.js';

/** Where a pod finds its service-account token (Kubernetes, "Configure Service Accounts for Pods"). */
const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** From hashicorp/vault-plugin-auth-kubernetes, `path_login.go`. */
const REFUSALS: LoginRefusals = {
  known: [
    ...CLAIM_REFUSALS,
    { text: 'invalid role name', advice: 'Vault has no such role' },
    {
      text: 'namespace not authorized err',
      shown: 'namespace not authorized',
      advice:
        'Vault could not read the namespace for the selector of the role: it needs token_reviewer_jwt, the right to ' +
        'get namespaces, and the API server',
      isOutage: true,
    },
    { text: 'namespace not authorized', advice: 'the role is bound to other namespaces' },
    { text: 'service account name not authorized', advice: 'the role is bound to other service accounts' },
  ],
  // Bound addresses, an invalid signature, and any failure of the token review.
  denied:
    'the API server rejected the token for the audience of the role, or Vault cannot reach it or is not allowed to ' +
    'review tokens, or the role is bound to other addresses (token_bound_cidrs), or the signature of the token does not ' +
    "verify with pem_keys of the auth method; Vault's log at level debug says which",
};

/** The pod's service-account token, read at every login because the kubelet rotates it. */
export const kubernetesMethod: VaultAuthMethod = {
  name: 'k8s',
  description: "The token of the pod's service account, read at each login because the kubelet rotates it.",
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
      const jwt = await readLoginFile(file, 'service-account token', 'VAULT_K8S_TOKEN_PATH');
      const credentials = { role: values.VAULT_K8S_ROLE ?? '', jwt };
      return await postLogin(client, values.VAULT_K8S_LOGIN_ENDPOINT ?? '', credentials, signal, REFUSALS);
    },
  }),
};
