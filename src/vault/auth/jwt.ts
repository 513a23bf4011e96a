import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import { readLoginFile } from '../login-file.js';
import { CLAIM_REFUSALS, type LoginRefusals } from '../login-refusals.js';

/** From hashicorp/vault-plugin-auth-jwt and openbao, `path_login.go`; claims follow `error validating token: `. */
const REFUSALS: LoginRefusals = {
  known: [
    ...CLAIM_REFUSALS.map(({ text, ...advice }) => ({ text: `error validating token: ${text}`, ...advice })),
    // coreos/go-oidc, `oidc/jwks.go`.
    {
      text: 'error validating token: error verifying token signature: fetching keys',
      advice: 'Vault cannot get the keys of the issuer',
      isOutage: true,
    },
    {
      text: 'error validating token: error verifying token signature',
      advice: 'Vault does not have the key that signed the token; check the configuration of the auth method',
    },
    { text: 'error validating token' },
    {
      text: 'error validating claims',
      advice: 'the claims of the token do not match those that the role is bound to',
    },
    {
      text: 'audience claim found in JWT but no audiences bound to the role',
      advice: 'set bound_audiences on the role',
    },
    { text: 'role with oidc role_type is not allowed', advice: 'write the role with role_type=jwt' },
    { text: 'role', shown: 'role could not be found', advice: 'Vault has no such role' },
    {
      text: 'claim',
      shown: 'claim not found in token',
      advice: 'the token lacks the user_claim of the role',
    },
    // At the first login after a start of Vault, which asks the issuer for its discovery document.
    {
      text: 'error configuring token validator',
      advice: 'Vault cannot reach the issuer, or the configuration of the auth method is wrong',
      isOutage: true,
    },
    { text: 'could not load configuration', advice: 'the auth method is not configured' },
  ],
  denied: 'the role is bound to other addresses',
};

/** A signed token from a file, such as a projected service-account token; Vault verifies it locally. */
export const jwtMethod: VaultAuthMethod = {
  name: 'jwt',
  description:
    'A signed token in a file, such as a projected service-account token, read at each login because it rotates.',
  variables: [
    { name: 'VAULT_JWT_ROLE', description: "Vault's role", required: true },
    {
      name: 'VAULT_JWT_TOKEN_PATH',
      description: 'the file of the token',
      required: true,
    },
    {
      name: 'VAULT_JWT_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/jwt/login',
      check: endpointProblem,
    },
  ],
  create: (values, { client }) => ({
    login: async (signal) => {
      const jwt = await readLoginFile(values.VAULT_JWT_TOKEN_PATH ?? '', 'token', 'VAULT_JWT_TOKEN_PATH');
      const credentials = { role: values.VAULT_JWT_ROLE ?? '', jwt };
      return await postLogin(client, values.VAULT_JWT_ENDPOINT ?? '', credentials, signal, REFUSALS);
    },
  }),
};
