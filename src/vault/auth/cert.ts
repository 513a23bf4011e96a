import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import type { LoginRefusals } from '../login-refusals.js';

const NO_CERTIFICATE =
  'Vault received no client certificate: a proxy or load balancer terminates TLS in front of it, or its listener sets tls_disable_client_certs';

/** From Vault's `builtin/credential/cert/path_login.go`. */
const REFUSALS: LoginRefusals = {
  known: [
    {
      text: 'invalid certificate or no client certificate supplied',
      advice: 'no role trusts the issuer of the client certificate, or Vault has no such role',
    },
    {
      text: 'no chain matching all constraints could be found for this login certificate',
      advice:
        'the roles are bound to other names, or the certificate is revoked, or Vault cannot reach the OCSP responder',
    },
    { text: 'client certificate must be supplied', advice: NO_CERTIFICATE },
    { text: 'no client certificate found', advice: NO_CERTIFICATE },
    { text: 'tls connection required', advice: NO_CERTIFICATE },
    { text: 'tls connection not found', advice: NO_CERTIFICATE },
  ],
  denied: 'the role is bound to other addresses',
};

/** The client certificate of the TLS connection. */
export const certMethod: VaultAuthMethod = {
  name: 'cert',
  description:
    'The client certificate in `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`; it needs an https connection to Vault.',
  variables: [
    { name: 'VAULT_CERT_ROLE', description: "Vault's role; the first that matches when absent" },
    {
      name: 'VAULT_CERT_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/cert/login',
      check: endpointProblem,
    },
  ],
  connectionProblem: ({ address, clientCertFile, clientKeyFile }) => {
    const asked = '--vault-authentication-method=cert';
    if (address.startsWith('http:')) {
      return `${asked} needs https in VAULT_ADDR or VAULT_AGENT_ADDR: plain http carries no client certificate`;
    }
    // One without the other is reported elsewhere.
    return clientCertFile === undefined && clientKeyFile === undefined
      ? `VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are missing: ${asked} needs the client certificate`
      : undefined;
  },
  create: (values, { client }) => ({
    login: async (signal) => {
      const { VAULT_CERT_ROLE: name } = values;
      const credentials: Record<string, string> = name === undefined ? {} : { name };
      const endpoint = values.VAULT_CERT_ENDPOINT ?? '';
      const token = await postLogin(client, endpoint, credentials, signal, REFUSALS);
      // Vault renews only on a connection with the very certificate of the login (`pathLoginRenew`), and
      // answers 500 after that was rotated. A login costs as much and works with any certificate.
      return { ...token, renewable: false };
    },
  }),
};
