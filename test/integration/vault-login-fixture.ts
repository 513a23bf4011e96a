import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { closeAll, closing } from '../support/closing.js';
import { VaultApi } from '../support/vault-api.js';
import { type FixtureOptions, VaultFixture } from './vault-fixture.js';

/** In every credential and every value; must be seen nowhere. */
export const CANARY = 'c4n4ry';
export const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;

/** A service-account token as the API server shapes it; the loopback reviewer knows it by its text. */
export function jwt(signature: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const serviceaccount = { name: 'operator', uid: 'uid-1' };
  const claims = { 'kubernetes.io': { namespace: 'vault', serviceaccount } };
  return `${part({ alg: 'RS256' })}.${part(claims)}.${CANARY}-${signature}`;
}

export let vault: LoopbackVault;
export let admin: VaultApi;
let reviewer: LoopbackServer;
/** There while tests run. */
export let folder: string;
let approle: { roleId: string; secretId: string };
/** Tokens that the reviewer knows, with the names of their accounts. */
export const serviceAccounts = new Map([[jwt('jwt-1'), 'system:serviceaccount:vault:operator']]);

/** Right credentials of each method; a method that is missing here fails every test of the table. */
const RIGHT: Readonly<Record<string, () => Record<string, string>>> = {
  token: () => ({ VAULT_TOKEN: vault.rootToken }),
  userpass: () => ({ VAULT_USERNAME: 'Op.Erator-1', VAULT_PASSWORD: `${CANARY}-password` }),
  approle: () => ({
    VAULT_APPROLE_ROLE_ID: approle.roleId,
    VAULT_APPROLE_SECRET_ID: approle.secretId,
    VAULT_APPROLE_ENDPOINT: 'auth/my/deep/mount/login',
  }),
  k8s: () => ({ VAULT_K8S_TOKEN_PATH: join(folder, 'jwt') }),
  github: () => ({ VAULT_GITHUB_TOKEN: `${CANARY}-github` }),
  iam: () => ({ VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIAX', VAULT_IAM_AWS_SECRET_ACCESS_KEY: `${CANARY}-secret` }),
  ldap: () => ({ VAULT_LDAP_USERNAME: 'operator', VAULT_LDAP_PASSWORD: `${CANARY}-password` }),
  jwt: () => ({ VAULT_JWT_ROLE: 'operator', VAULT_JWT_TOKEN_PATH: join(folder, 'jwt') }),
  cert: () => ({}),
};

export function right(name: string): Record<string, string> {
  const credentials = RIGHT[name];
  if (credentials === undefined) throw new Error(`${name} has no right credentials in this test`);
  return credentials();
}

/** @param options.timeoutMs short only where nothing answers: a loaded machine is slow. */
export function fixtureOf(
  method: string,
  values: Record<string, string> = {},
  { timeoutMs = 10_000, ...options }: Pick<FixtureOptions, 'clock'> & { readonly timeoutMs?: number } = {},
): VaultFixture {
  return closing(
    new VaultFixture(vault.url, {
      ...options,
      method,
      values: { ...right(method), ...values },
      config: { maxRetries: 0, timeoutMs },
    }),
  );
}

/** A Vault with a user or role for each method that needs no other server; to be called once in a file. */
export function useLogins(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vault-login-'));
    writeFileSync(join(folder, 'jwt'), `${jwt('jwt-1')}\n`);
    writeFileSync(join(folder, 'bad-jwt'), jwt('jwt-bad'));
    vault = await startVaultServer({ mounts: { kv: 'v1', kv2: 'v2' }, rootToken: `hvs.${CANARY}` });
    admin = new VaultApi(vault.url, vault.rootToken);
    const authority = await TestAuthority.create();
    reviewer = await LoopbackServer.start(
      (seen, _request, response) => {
        const { spec } = JSON.parse(seen.body) as { spec: { token: string } };
        const username = serviceAccounts.get(spec.token);
        const status =
          username === undefined ? { user: {} } : { authenticated: true, user: { username, uid: 'uid-1' } };
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ status }));
      },
      { tls: await authority.issue() },
    );
    await admin.write('sys/policies/acl/all', { policy: 'path "kv/*" { capabilities = ["read"] }' });
    await admin.write('sys/auth/userpass', { type: 'userpass' });
    await admin.write('auth/userpass/users/op.erator-1', {
      password: `${CANARY}-password`,
      token_policies: 'all',
    });
    await admin.write('sys/auth/my/deep/mount', { type: 'approle' });
    await admin.write('auth/my/deep/mount/role/r', { token_policies: 'all', token_ttl: '10m' });
    const role = (await admin.send('GET', 'auth/my/deep/mount/role/r/role-id')).json;
    const secret = await admin.write('auth/my/deep/mount/role/r/secret-id', {});
    approle = { roleId: role.data.role_id, secretId: secret.data.secret_id };
    await admin.write('sys/auth/kubernetes', { type: 'kubernetes' });
    await admin.write('auth/kubernetes/config', {
      kubernetes_host: reviewer.url,
      kubernetes_ca_cert: authority.cert,
    });
    await admin.write('auth/kubernetes/role/kms-vault-operator', {
      bound_service_account_names: 'operator',
      bound_service_account_namespaces: 'vault',
      token_policies: 'all',
      token_ttl: '10m',
    });
  });

  afterEach(async () => {
    vault.faults.clear();
    await closeAll();
    vault.requests.clear();
  });

  afterAll(async () => {
    admin.close();
    await vault.close();
    await reviewer.close();
    rmSync(folder, { recursive: true, force: true });
  });
}
