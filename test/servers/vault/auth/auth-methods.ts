import type { Mount } from '../mounts.js';
import { AppRole } from './approle.js';
import type { AuthContext } from './auth-method.js';
import { AwsAuth } from './aws.js';
import { CertAuth } from './cert.js';
import { GithubAuth } from './github.js';
import { JwtAuth } from './jwt.js';
import { KubernetesAuth } from './kubernetes.js';
import { LdapAuth } from './ldap.js';
import { Userpass } from './userpass.js';

export type { AuthContext } from './auth-method.js';

const METHODS: Readonly<Record<string, (context: AuthContext) => Mount>> = {
  approle: (context) => new AppRole(context),
  aws: (context) => new AwsAuth(context),
  cert: (context) => new CertAuth(context),
  github: (context) => new GithubAuth(context),
  jwt: (context) => new JwtAuth(context),
  kubernetes: (context) => new KubernetesAuth(context),
  ldap: (context) => new LdapAuth(context),
  userpass: (context) => new Userpass(context),
};

/** A fresh auth method; undefined when Vault has no such type. */
export function makeAuthMethod(type: string, context: AuthContext): Mount | undefined {
  return Object.hasOwn(METHODS, type) ? METHODS[type]?.(context) : undefined;
}
