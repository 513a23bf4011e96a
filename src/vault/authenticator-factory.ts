import type { AuthConfig } from '../config/config.js';
import { appRoleMethod } from './auth/approle.js';
import { certMethod } from './auth/cert.js';
import { githubMethod } from './auth/github.js';
import { iamMethod } from './auth/iam.js';
import { jwtMethod } from './auth/jwt.js';
import { kubernetesMethod } from './auth/kubernetes.js';
import { ldapMethod } from './auth/ldap.js';
import { tokenMethod } from './auth/token.js';
import { userpassMethod } from './auth/userpass.js';
import { FileAuthenticator } from './file-authenticator.js';
import { withLineBreakNamed } from './final-line-break.js';
import type { AuthenticatorDeps, VaultAuthenticator, VaultAuthMethod } from './authenticator.js';

/** Every auth method; a new one is one file and one line here. */
export const AUTH_METHODS: readonly VaultAuthMethod[] = [
  tokenMethod,
  kubernetesMethod,
  userpassMethod,
  appRoleMethod,
  githubMethod,
  iamMethod,
  ldapMethod,
  jwtMethod,
  certMethod,
];

/** Creates the authenticator of the configured method. */
export class VaultAuthenticatorFactory {
  constructor(private readonly methods: readonly VaultAuthMethod[] = AUTH_METHODS) {}

  /** @throws Error for an unknown method, which the configuration refuses before. */
  create(config: AuthConfig, deps: AuthenticatorDeps): VaultAuthenticator {
    const method = this.methods.find((candidate) => candidate.name === config.method);
    if (method === undefined) throw new Error(`unknown auth method ${config.method}`);
    if (config.files !== undefined) return new FileAuthenticator(method, config, deps);
    return withLineBreakNamed(method.create(config.values, deps), method.variables, config.values);
  }
}
