import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { TestAuthority } from '../servers/shared/certificates.js';
import { startGithubServer } from '../servers/vault/github-api.js';
import { LdapDirectory } from '../servers/vault/ldap-directory.js';
import type { Json } from '../support/http-json.js';
import { JwtIssuer } from '../support/signed-jwt.js';
import { callerOf } from './caller-identity.js';
import type { E2eServers } from './servers.js';

/**
 * Prepares a method for this run.
 *
 * @param later takes what undoes it.
 * @returns the environment with the right credentials, or why these servers cannot have the method.
 */
export type AuthMethodCase = (
  servers: E2eServers,
  later: (step: () => Promise<void>) => void,
) => Promise<Readonly<Record<string, string>> | string>;

/** Enables a type two levels deep; the path begins with `auth/`. */
async function enable(
  type: string,
  { vault, runId }: E2eServers,
  later: (step: () => Promise<void>) => void,
): Promise<string> {
  const mount = `auth/team/${type}-${runId}`;
  await vault.write(`sys/${mount}`, { type });
  later(() => vault.delete(`sys/${mount}`));
  return mount;
}

const parameters = ({ runId }: E2eServers): Json => ({ token_policies: runId, token_ttl: '10m' });

/** One case for each auth method, by its name. */
export const AUTH_METHOD_CASES: Readonly<Record<string, AuthMethodCase>> = {
  token: async ({ vault, runId }) => {
    const { auth } = await vault.write('auth/token/create', { policies: [runId], ttl: '10m' });
    return { VAULT_TOKEN: auth.client_token };
  },
  userpass: async (servers, later) => {
    const mount = await enable('userpass', servers, later);
    await servers.vault.write(`${mount}/users/op.erator`, { password: 'pass-word', ...parameters(servers) });
    return {
      VAULT_USERNAME: 'op.erator',
      VAULT_PASSWORD: 'pass-word',
      VAULT_USERPASS_ENDPOINT: `${mount}/login`,
    };
  },
  approle: async (servers, later) => {
    const mount = await enable('approle', servers, later);
    await servers.vault.write(`${mount}/role/operator`, parameters(servers));
    const role = await servers.vault.send('GET', `${mount}/role/operator/role-id`);
    const secret = await servers.vault.write(`${mount}/role/operator/secret-id`);
    return {
      VAULT_APPROLE_ROLE_ID: role.json.data.role_id,
      VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
      VAULT_APPROLE_ENDPOINT: `${mount}/login`,
    };
  },
  k8s: async (servers, later) => {
    const mount = await enable('kubernetes', servers, later);
    const { kube, namespace, runId } = servers;
    later(async () => {
      await kube.delete('ClusterRoleBinding', '', `${runId}-review`);
      await kube.delete('ClusterRole', '', `${runId}-review`);
    });
    await kube.apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: `${runId}-review` },
      rules: [{ apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] }],
    });
    await kube.apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `${runId}-review` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `${runId}-review` },
      subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace }],
    });
    await servers.vault.write(`${mount}/config`, {
      kubernetes_host: process.env.E2E_VAULT_KUBERNETES_HOST ?? kube.server,
      kubernetes_ca_cert: kube.caCert,
      disable_local_ca_jwt: true,
      // A token for Vault is none for the API server.
      token_reviewer_jwt: await kube.serviceAccountToken(namespace, 'operator'),
    });
    await servers.vault.write(`${mount}/role/kms-vault-operator`, {
      bound_service_account_names: 'operator',
      bound_service_account_namespaces: namespace,
      audience: 'vault',
      ...parameters(servers),
    });
    const file = join(servers.directory, 'jwt');
    writeFileSync(file, await kube.serviceAccountToken(namespace, 'operator', { audience: 'vault' }));
    return { VAULT_K8S_LOGIN_ENDPOINT: `${mount}/login`, VAULT_K8S_TOKEN_PATH: file };
  },
  iam: async (servers, later) => {
    const { sts, aws } = servers.endpoints;
    if (sts === undefined) return 'E2E_STS_ENDPOINT is not set';
    const mount = `auth/team/aws-${servers.runId}`;
    const enabled = await servers.vault.send('POST', `sys/${mount}`, { type: 'aws' });
    if (enabled.status !== 204) return `this Vault has no auth method aws (HTTP ${String(enabled.status)})`;
    later(() => servers.vault.delete(`sys/${mount}`));
    await servers.vault.write(`${mount}/config/client`, {
      sts_endpoint: sts,
      iam_server_id_header_value: 'vault.example.com',
    });
    await servers.vault.write(`${mount}/role/operator`, {
      auth_type: 'iam',
      bound_iam_principal_arn: await callerOf(sts, aws),
      resolve_aws_unique_ids: false,
      ...parameters(servers),
    });
    // The credentials are those for KMS.
    return {
      VAULT_IAM_ROLE: 'operator',
      VAULT_IAM_SERVER_ID: 'vault.example.com',
      VAULT_IAM_AUTH_ENDPOINT: `${mount}/login`,
    };
  },
  github: async (servers, later) => {
    if (process.env.E2E_KUBECONFIG !== undefined) return 'it would need an organization at GitHub';
    const team = { name: 'platform', slug: 'platform', organization: 'our-org' };
    const user = { login: 'octocat', organizations: ['our-org'], teams: [team] };
    const github = await startGithubServer({
      organizations: [{ id: 7, login: 'our-org' }],
      users: new Map([['ghp-of-this-run', user]]),
    });
    later(() => github.close());
    const mount = await enable('github', servers, later);
    await servers.vault.write(`${mount}/config`, {
      organization: 'our-org',
      base_url: github.url,
      token_ttl: '10m',
    });
    await servers.vault.write(`${mount}/map/teams/platform`, { value: servers.runId });
    return { VAULT_GITHUB_TOKEN: 'ghp-of-this-run', VAULT_GITHUB_AUTH_ENDPOINT: `${mount}/login` };
  },
  ldap: async (servers, later) => {
    const password = 'of-the-directory';
    const directory = await LdapDirectory.start(new Map([['uid=op.erator,ou=people,dc=x', password]]));
    later(() => directory.close());
    const mount = await enable('ldap', servers, later);
    await servers.vault.write(`${mount}/config`, {
      url: directory.url,
      userdn: 'ou=people,dc=x',
      userattr: 'uid',
      ...parameters(servers),
    });
    const probe = await servers.vault.send('POST', `${mount}/login/op.erator`, { password });
    if (probe.text.includes('error connecting to host')) {
      return 'this Vault cannot reach the directory of the suite, which is on loopback';
    }
    return {
      VAULT_LDAP_USERNAME: 'op.erator',
      VAULT_LDAP_PASSWORD: password,
      VAULT_LDAP_ENDPOINT: `${mount}/login`,
    };
  },
  jwt: async (servers, later) => {
    const issuer = new JwtIssuer();
    const mount = await enable('jwt', servers, later);
    await servers.vault.write(`${mount}/config`, {
      jwt_validation_pubkeys: [issuer.publicKey],
      bound_issuer: issuer.issuer,
    });
    await servers.vault.write(`${mount}/role/operator`, {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: 'vault',
      bound_subject: 'operator',
      ...parameters(servers),
    });
    const file = join(servers.directory, 'signed-jwt');
    writeFileSync(file, issuer.issue({ sub: 'operator', aud: 'vault' }));
    return { VAULT_JWT_ROLE: 'operator', VAULT_JWT_TOKEN_PATH: file, VAULT_JWT_ENDPOINT: `${mount}/login` };
  },
  cert: async (servers, later) => {
    if (!servers.vault.address.startsWith('https:')) return 'E2E_VAULT_ADDR is not https';
    const authority = await TestAuthority.create(`clients of ${servers.runId}`);
    const { cert, key } = await authority.issue({ commonName: 'operator' });
    const mount = await enable('cert', servers, later);
    await servers.vault.write(`${mount}/certs/operator`, {
      certificate: authority.cert,
      allowed_common_names: 'operator',
      ...parameters(servers),
    });
    const files = ['crt', 'key'].map((end) => join(servers.directory, `client.${end}`));
    const [certFile = '', keyFile = ''] = files;
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    return {
      VAULT_CLIENT_CERT: certFile,
      VAULT_CLIENT_KEY: keyFile,
      VAULT_CERT_ROLE: 'operator',
      VAULT_CERT_ENDPOINT: `${mount}/login`,
    };
  },
};
