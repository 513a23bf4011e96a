import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { callerOf } from './caller-identity.js';
import { E2eServers } from './servers.js';

let servers: E2eServers;
/** The mount of an auth method, two levels deep. */
const mountOf = (type: string): string => `team/${type}-${servers.runId}`;

beforeAll(async () => {
  servers = await E2eServers.prepare();
}, 120_000);

afterAll(async () => {
  const prepared = servers as E2eServers | undefined;
  if (prepared === undefined) return;
  for (const type of ['userpass', 'approle', 'kubernetes', 'aws'])
    await prepared.vault.delete(`sys/auth/${mountOf(type)}`);
  await prepared.kube.delete('ClusterRoleBinding', '', `${prepared.runId}-review`);
  await prepared.kube.delete('ClusterRole', '', `${prepared.runId}-review`);
  await prepared.cleanUp();
}, 60_000);

const parameters = (): Json => ({ token_policies: servers.runId, token_ttl: '10m' });

/** Enables a method for this run, and gives the environment with the right credentials, or why it cannot. */
const METHODS: Readonly<Record<string, () => Promise<Record<string, string> | string>>> = {
  userpass: async () => {
    const mount = `auth/${mountOf('userpass')}`;
    await servers.vault.write(`sys/${mount}`, { type: 'userpass' });
    await servers.vault.write(`${mount}/users/op.erator`, { password: 'pass-word', ...parameters() });
    return {
      VAULT_USERNAME: 'op.erator',
      VAULT_PASSWORD: 'pass-word',
      VAULT_USERPASS_ENDPOINT: `${mount}/login`,
    };
  },
  approle: async () => {
    const mount = `auth/${mountOf('approle')}`;
    await servers.vault.write(`sys/${mount}`, { type: 'approle' });
    await servers.vault.write(`${mount}/role/operator`, parameters());
    const role = await servers.vault.send('GET', `${mount}/role/operator/role-id`);
    const secret = await servers.vault.write(`${mount}/role/operator/secret-id`);
    return {
      VAULT_APPROLE_ROLE_ID: role.json.data.role_id,
      VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
      VAULT_APPROLE_ENDPOINT: `${mount}/login`,
    };
  },
  k8s: async () => {
    const mount = `auth/${mountOf('kubernetes')}`;
    const { kube, namespace, runId } = servers;
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
    await servers.vault.write(`sys/${mount}`, { type: 'kubernetes' });
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
      ...parameters(),
    });
    const file = join(servers.directory, 'jwt');
    writeFileSync(file, await kube.serviceAccountToken(namespace, 'operator', { audience: 'vault' }));
    return { VAULT_K8S_LOGIN_ENDPOINT: `${mount}/login`, VAULT_K8S_TOKEN_PATH: file };
  },
  iam: async () => {
    const { sts, aws } = servers.endpoints;
    if (sts === undefined) return 'E2E_STS_ENDPOINT is not set';
    const mount = `auth/${mountOf('aws')}`;
    const enabled = await servers.vault.send('POST', `sys/${mount}`, { type: 'aws' });
    if (enabled.status !== 204) return `this Vault has no auth method aws (HTTP ${String(enabled.status)})`;
    await servers.vault.write(`${mount}/config/client`, {
      sts_endpoint: sts,
      iam_server_id_header_value: 'vault.example.com',
    });
    await servers.vault.write(`${mount}/role/operator`, {
      auth_type: 'iam',
      bound_iam_principal_arn: await callerOf(sts, aws),
      resolve_aws_unique_ids: false,
      ...parameters(),
    });
    // The credentials are those for KMS.
    return {
      VAULT_IAM_ROLE: 'operator',
      VAULT_IAM_SERVER_ID: 'vault.example.com',
      VAULT_IAM_AUTH_ENDPOINT: `${mount}/login`,
    };
  },
};

const enabled = new Map<string, Promise<Record<string, string> | string>>();

/** Enables a method once. */
async function environmentOf(method: string): Promise<Record<string, string> | string> {
  const environment = enabled.get(method) ?? METHODS[method]?.() ?? Promise.resolve('no such method');
  enabled.set(method, environment);
  return await environment;
}

describe('--vault-authentication-method', () => {
  it.each(Object.keys(METHODS))(
    '%s logs in, syncs, and gives its token back',
    async (method) => {
      const env = await environmentOf(method);
      if (typeof env === 'string') {
        // On loopback nothing may be missing.
        expect({ method, skipped: env, external: process.env.E2E_KUBECONFIG !== undefined }).toMatchObject({
          external: true,
        });
        process.stderr.write(`${method}: skipped: ${env}\n`);
        return;
      }
      const operator = await servers.startOperator([`--vault-authentication-method=${method}`], {
        VAULT_TOKEN: '',
        ...env,
      });
      const path = `${servers.v2}/data/by-${method}`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(`written-by-${method}`) }];
      await servers.kube.apply(
        servers.secret(`by-${method}`, { path, kvSettings: { engineVersion: 'v2' }, secrets }),
      );
      await servers.inVault(path, { a: `written-by-${method}` });
      await servers.reason(`by-${method}`, 'Synced');
      expect(await servers.metric(operator, 'kms_vault_operator_vault_logins_total')).toBe(1);
      expect(await operator.stop()).toBe(0);
      await servers.kube.delete('KMSVaultSecret', servers.namespace, `by-${method}`);
      for (const secret of [env.VAULT_PASSWORD, env.VAULT_APPROLE_SECRET_ID]) {
        if (secret !== undefined) expect(operator.output.includes(secret)).toBe(false);
      }
    },
    60_000,
  );

  it('k8s says what Vault refuses, and goes on once there is a token for the right audience', async () => {
    const env = await environmentOf('k8s');
    if (typeof env === 'string') throw new Error('k8s is offered everywhere');
    const file = join(servers.directory, 'other-jwt');
    const jwt = await servers.kube.serviceAccountToken(servers.namespace, 'operator');
    writeFileSync(file, jwt);
    const path = `${servers.v2}/data/by-audience`;
    const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('for-this-audience') }];
    await servers.kube.apply(
      servers.secret('by-audience', { path, kvSettings: { engineVersion: 'v2' }, secrets }),
    );
    const operator = servers.spawnOperator(['--vault-authentication-method=k8s'], {
      VAULT_TOKEN: '',
      ...env,
      VAULT_K8S_TOKEN_PATH: file,
    });
    const { message } = await servers.reason('by-audience', 'VaultUnavailable');
    expect(message).toContain('invalid audience (aud) claim; the token is for another audience');
    expect(operator.output).toContain('invalid audience (aud) claim');
    expect(operator.output.includes(jwt)).toBe(false);
    writeFileSync(
      file,
      await servers.kube.serviceAccountToken(servers.namespace, 'operator', { audience: 'vault' }),
    );
    await servers.inVault(path, { a: 'for-this-audience' });
    await servers.reason('by-audience', 'Synced');
    expect(await operator.stop()).toBe(0);
    await servers.kube.delete('KMSVaultSecret', servers.namespace, 'by-audience');
  }, 60_000);
});
