import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { textOf } from '../../src/vault/secret-data.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import type { FaultAction } from '../servers/shared/faults.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { failureOf, type FixtureOptions, VaultFixture } from './vault-fixture.js';

/** In every credential and every value; must be seen nowhere. */
const CANARY = 'c4n4ry';
const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
type Name = string;

/** A service-account token as the API server shapes it; the loopback reviewer knows it by its text. */
function jwt(signature: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const serviceaccount = { name: 'operator', uid: 'uid-1' };
  const claims = { 'kubernetes.io': { namespace: 'vault', serviceaccount } };
  return `${part({ alg: 'RS256' })}.${part(claims)}.${CANARY}-${signature}`;
}

let vault: LoopbackVault;
let reviewer: LoopbackServer;
let folder: string;
let approle: { roleId: string; secretId: string };
const serviceAccounts = new Map([[jwt('jwt-1'), 'system:serviceaccount:vault:operator']]);
const fixtures: VaultFixture[] = [];

async function admin(
  method: string,
  path: string,
  body?: unknown,
): Promise<Record<string, Record<string, string>>> {
  const response = await fetch(`${vault.url}/v1/${path}`, {
    method,
    headers: { 'x-vault-token': vault.rootToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === '' ? {} : (JSON.parse(text) as Record<string, Record<string, string>>);
}

/** Right credentials of each method; a method that is missing here fails every test of the table. */
const RIGHT: Readonly<Record<Name, () => Record<string, string>>> = {
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

function right(name: Name): Record<string, string> {
  const credentials = RIGHT[name];
  if (credentials === undefined) throw new Error(`${name} has no right credentials in this test`);
  return credentials();
}

/** @param options.timeoutMs short only where nothing answers: a loaded machine is slow. */
function fixtureOf(
  method: Name,
  values: Record<string, string> = {},
  { timeoutMs = 10_000, ...options }: Pick<FixtureOptions, 'clock'> & { readonly timeoutMs?: number } = {},
): VaultFixture {
  const fixture = new VaultFixture(vault.url, {
    ...options,
    method,
    values: { ...right(method), ...values },
    config: { maxRetries: 0, timeoutMs },
  });
  fixtures.push(fixture);
  return fixture;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vault-login-'));
  writeFileSync(join(folder, 'jwt'), `${jwt('jwt-1')}\n`);
  writeFileSync(join(folder, 'bad-jwt'), jwt('jwt-bad'));
  vault = await startVaultServer({ mounts: { kv: 'v1', kv2: 'v2' }, rootToken: `hvs.${CANARY}` });
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
  await admin('PUT', 'sys/policies/acl/all', { policy: 'path "kv/*" { capabilities = ["read"] }' });
  await admin('POST', 'sys/auth/userpass', { type: 'userpass' });
  await admin('POST', 'auth/userpass/users/op.erator-1', {
    password: `${CANARY}-password`,
    token_policies: 'all',
  });
  await admin('POST', 'sys/auth/my/deep/mount', { type: 'approle' });
  await admin('POST', 'auth/my/deep/mount/role/r', { token_policies: 'all', token_ttl: '10m' });
  const role = await admin('GET', 'auth/my/deep/mount/role/r/role-id');
  const secret = await admin('POST', 'auth/my/deep/mount/role/r/secret-id', {});
  approle = { roleId: role.data?.role_id ?? '', secretId: secret.data?.secret_id ?? '' };
  await admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
  await admin('POST', 'auth/kubernetes/config', {
    kubernetes_host: reviewer.url,
    kubernetes_ca_cert: authority.cert,
  });
  await admin('POST', 'auth/kubernetes/role/kms-vault-operator', {
    bound_service_account_names: 'operator',
    bound_service_account_namespaces: 'vault',
    token_policies: 'all',
    token_ttl: '10m',
  });
});

afterEach(async () => {
  vault.faults.clear();
  for (const fixture of fixtures.splice(0)) await fixture.close();
  vault.requests.clear();
});

afterAll(async () => {
  await vault.close();
  await reviewer.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('logins', () => {
  it.each(['token', 'userpass', 'approle', 'k8s'] as const)(
    '%s works with right credentials',
    async (method) => {
      const fixture = fixtureOf(method);
      expect((await fixture.session.request(READ)).status).toBe(404);
      expect(fixture.session.problem()).toBeUndefined();
      expect(await fixture.registry.metrics()).toContain(
        `vault_logins_total{method="${method}",result="success"} 1`,
      );
    },
  );

  it.each<[string, Name, Record<string, string>]>([
    ['a wrong token', 'token', { VAULT_TOKEN: `hvs.${CANARY}wrong` }],
    ['a wrong password', 'userpass', { VAULT_PASSWORD: CANARY }],
    ['an unknown user', 'userpass', { VAULT_USERNAME: 'nobody' }],
    ['a wrong userpass mount', 'userpass', { VAULT_USERPASS_ENDPOINT: 'auth/nope/login' }],
    ['a wrong secret id', 'approle', { VAULT_APPROLE_SECRET_ID: CANARY }],
    ['a wrong role id', 'approle', { VAULT_APPROLE_ROLE_ID: CANARY }],
    ['a wrong approle mount', 'approle', { VAULT_APPROLE_ENDPOINT: 'auth/my/other/mount/login' }],
    ['a wrong role', 'k8s', { VAULT_K8S_ROLE: 'nope' }],
    ['a wrong kubernetes mount', 'k8s', { VAULT_K8S_LOGIN_ENDPOINT: 'auth/nope/login' }],
  ])('are refused with %s', async (_what, method, values) => {
    const fixture = fixtureOf(method, values);
    const error = await failureOf(fixture.session.request(READ));
    expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon', reason: 'VaultUnavailable' });
    expect(error.message).toMatch(
      /^not logged in to Vault: Vault (refused the login|does not accept VAULT_TOKEN)/,
    );
    expect(fixture.session.problem()).toBe(error.message);
    expect(await fixture.registry.metrics()).toContain(
      `vault_logins_total{method="${method}",result="refused"} 1`,
    );
    expect(vault.requests.count(({ url }) => url.includes('/kv/'))).toBe(0);
  });

  it('of k8s say which file is missing, and are refused with a token that the API server does not know', async () => {
    const missing = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: join(folder, 'missing') });
    expect((await failureOf(missing.session.request(READ))).message).toContain(join(folder, 'missing'));
    const bad = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: join(folder, 'bad-jwt') });
    expect((await failureOf(bad.session.request(READ))).message).toContain(
      'refused the login (HTTP 403: permission denied; the API server did not accept the token',
    );
  });

  it('of k8s read the service-account token each time, because it rotates', async () => {
    const clock = new FakeClock();
    const fixture = fixtureOf('k8s', {}, { clock });
    await fixture.session.request(READ);
    // A token that is refused sooner may be one that is not known yet.
    await clock.advance(60_000, () => fixture.quiet());
    serviceAccounts.clear();
    serviceAccounts.set(jwt('jwt-2'), 'system:serviceaccount:vault:operator');
    writeFileSync(join(folder, 'jwt'), jwt('jwt-2'));
    for (const token of vault.tokens.all())
      if (token.displayName.includes('operator')) vault.tokens.revoke(token.id);
    expect((await fixture.session.request(READ)).status).toBe(404);
  });

  it('of userpass escape the user name', async () => {
    const fixture = fixtureOf('userpass', { VAULT_USERNAME: 'a b?c#d%2e' });
    await failureOf(fixture.session.request(READ));
    expect(vault.requests.all[0]?.url).toBe('/v1/auth/userpass/login/a%20b%3Fc%23d%252e');
  });

  it.each([
    ['github', 'auth/github/login', { token: `${CANARY}-github` }],
    ['iam', 'auth/aws/login', { iam_http_request_method: 'POST' }],
  ] as const)('of %s post what Vault expects to %s', async (method, endpoint, body) => {
    const auth = { client_token: `hvs.${CANARY}-${method}`, lease_duration: 600, renewable: true };
    vault.faults.inject({
      matches: ({ url, method: verb }) => url === `/v1/${endpoint}` && verb === 'POST',
      action: { kind: 'answer', status: 200, body: JSON.stringify({ auth }) },
    });
    const fixture = fixtureOf(method);
    // This Vault never gave that token.
    expect((await failureOf(fixture.session.request(READ))).message).toContain('does not know the new token');
    expect(JSON.parse(vault.requests.all[0]?.body ?? '')).toMatchObject(body);
    expect(vault.requests.all[1]?.headers['x-vault-token']).toBe(auth.client_token);
  });
});

describe('secrecy', () => {
  const echo = JSON.stringify({ errors: [`failed: ${CANARY}`], auth: CANARY, data: CANARY });
  const faults: readonly [string, FaultAction][] = [
    ['is refused with an echo', { kind: 'answer', status: 400, body: echo }],
    [
      'is refused with an echo behind a known text',
      { kind: 'answer', status: 400, body: JSON.stringify({ errors: [`invalid secret_id "${CANARY}"`] }) },
    ],
    ['is forbidden with an echo', { kind: 'answer', status: 403, body: echo }],
    ['is not found with an echo', { kind: 'answer', status: 404, body: echo }],
    ['fails with an echo', { kind: 'answer', status: 500, body: echo }],
    ['is answered strangely', { kind: 'answer', status: 200, body: echo }],
    [
      'is answered by a broken text',
      { kind: 'answer', status: 200, body: `{"auth":{"client_token":"${CANARY}"` },
    ],
    ['is answered by a page', { kind: 'answer', status: 200, body: `<html>${CANARY}</html>` }],
    [
      'is answered by a token with a line break',
      { kind: 'answer', status: 200, body: `{"auth":{"client_token":"${CANARY}\\n"}}` },
    ],
    ['is redirected away', { kind: 'answer', status: 307, headers: { location: `ftp://${CANARY}/` } }],
    ['is reset', { kind: 'reset' }],
    ['is not answered', { kind: 'hang' }],
  ];

  const timeoutFor = ({ kind }: FaultAction): number => (kind === 'hang' ? 1_000 : 10_000);

  /** Everything that leaves the module: errors with all they hold, logs, metrics. */
  async function shown(fixture: VaultFixture, errors: readonly Error[]): Promise<string> {
    const everything = errors.map(
      (error) => inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error),
    );
    const metrics = await fixture.registry.metrics();
    return [...everything, inspect(fixture.logger.entries, { depth: 20 }), metrics].join('\n');
  }

  it.each(AUTH_METHODS.flatMap(({ name }) => faults.map(([what, action]) => [name, what, action] as const)))(
    'holds when the login of %s %s',
    async (name, _what, action) => {
      vault.faults.inject({ matches: () => true, action });
      const fixture = fixtureOf(name, {}, { timeoutMs: timeoutFor(action) });
      // A 403 may also come back as the answer: the token lives, the permission is missing.
      const [outcome] = await Promise.allSettled([fixture.session.request(READ)]);
      const errors = outcome.status === 'rejected' ? [outcome.reason as Error] : [];
      expect(outcome.status === 'rejected' || outcome.value.status === 403).toBe(true);
      expect(await shown(fixture, errors)).not.toContain(CANARY);
    },
  );

  it.each(faults)('holds when a request for a secret %s', async (_what, action) => {
    const fixture = fixtureOf('token', {}, { timeoutMs: timeoutFor(action) });
    const v1 = await fixture.store.open('kv/app', 'v1');
    const v2 = await fixture.store.open('kv2/data/app', 'v2');
    vault.faults.inject({ matches: () => true, action });
    const data = new Map([['a', textOf(CANARY)]]);
    const attempts = [
      v1.read(),
      v1.write(data, undefined),
      v1.remove(),
      v2.read(),
      v2.write(data, 0),
      v2.remove(),
    ];
    const outcomes = await Promise.allSettled([...attempts, fixture.store.open('new/app', 'v1')]);
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as Error] : [],
    );
    expect(errors.length).toBeGreaterThan(2);
    expect(errors.every((error) => error.name === 'VaultError')).toBe(true);
    expect(await shown(fixture, errors)).not.toContain(CANARY);
  });
});

describe('odd values of credentials', () => {
  /** Logs in, and gives what Vault was sent: the path as a server decodes it, and the body. */
  async function sent(name: Name, values: Record<string, string>): Promise<{ path: string; body: unknown }> {
    const seen: { path: string; body: unknown }[] = [];
    const server = await LoopbackServer.start((request, _raw, response) => {
      seen.push({ path: decodeURIComponent(request.url), body: JSON.parse(request.body) as unknown });
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"errors":[]}');
    });
    const fixture = new VaultFixture(server.url, { method: name, values: { ...right(name), ...values } });
    await failureOf(fixture.session.request(READ));
    await fixture.close();
    await server.close();
    expect(seen).toHaveLength(1);
    return seen[0] ?? { path: '', body: undefined };
  }

  const ODD = [
    'two words',
    '100%',
    'a%2Fb',
    'M\u00fcller',
    '\u6f22',
    'a+b&c=d',
    'q?x#y',
    '"quoted"',
    "it's;",
  ];

  it.each(ODD)('arrive as they are: %j', async (odd) => {
    expect(await sent('userpass', { VAULT_USERNAME: odd, VAULT_PASSWORD: `${odd}\n` })).toEqual({
      path: `/v1/auth/userpass/login/${odd}`,
      body: { password: `${odd}\n` },
    });
    expect(
      (await sent('approle', { VAULT_APPROLE_ROLE_ID: odd, VAULT_APPROLE_SECRET_ID: odd })).body,
    ).toEqual({
      role_id: odd,
      secret_id: odd,
    });
    expect(await sent('ldap', { VAULT_LDAP_USERNAME: odd, VAULT_LDAP_PASSWORD: `${odd}\n` })).toEqual({
      path: `/v1/auth/ldap/login/${odd}`,
      body: { password: `${odd}\n` },
    });
    expect((await sent('k8s', { VAULT_K8S_ROLE: odd })).body).toMatchObject({ role: odd });
    expect((await sent('jwt', { VAULT_JWT_ROLE: odd })).body).toMatchObject({ role: odd });
    expect((await sent('cert', { VAULT_CERT_ROLE: odd })).body).toEqual({ name: odd });
    expect((await sent('github', { VAULT_GITHUB_TOKEN: odd })).body).toEqual({ token: odd });
    expect((await sent('iam', { VAULT_IAM_ROLE: odd })).body).toMatchObject({ role: odd });
  });

  it.each([
    'auth/M\u00fcller/login',
    'auth/a+b&c/d=e/login',
    "auth/it's;here/login",
    'auth/\u6f22/x:y@z/login',
  ])('arrive as they are in the path of a mount: %s', async (endpoint) => {
    for (const { name, variables } of AUTH_METHODS) {
      const variable = variables.find((one) => one.default?.endsWith('/login'));
      if (variable === undefined) continue;
      const { path } = await sent(name, { [variable.name]: endpoint });
      // Users are one segment more.
      expect(
        path
          .split('/')
          .slice(0, 2 + endpoint.split('/').length)
          .join('/'),
      ).toBe(`/v1/${endpoint}`);
    }
    const user = { VAULT_USERPASS_ENDPOINT: endpoint, VAULT_USERNAME: 'M\u00fcller' };
    expect((await sent('userpass', user)).path).toBe(`/v1/${endpoint}/M\u00fcller`);
  });

  it('are told by the name of the file when it holds no token', async () => {
    const file = join(folder, 'empty');
    writeFileSync(file, '\n');
    const failure = await failureOf(fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: file }).session.request(READ));
    expect(failure.message).toContain(`the file of the service-account token is empty: ${file}`);
  });

  it.each(['two\nlines', 'two words', '\u201cquoted\u201d', Buffer.from('a-token', 'utf16le').toString()])(
    'are told by the name of the file when it holds %j, which no token is, and Vault is not asked',
    async (text) => {
      const file = join(folder, 'odd');
      writeFileSync(file, text);
      const fixture = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: file });
      const { message } = await failureOf(fixture.session.request(READ));
      expect(message).toContain(
        `the service-account token at ${file} holds a line break or another character`,
      );
      expect(message).not.toContain(text);
      expect(vault.requests.all).toEqual([]);
    },
  );
});

describe('credentials that are set and empty', () => {
  it('logs in to a role that binds no secret id, and to no other', async () => {
    await admin('POST', 'auth/my/deep/mount/role/open', {
      bind_secret_id: false,
      token_bound_cidrs: '127.0.0.1/32',
      policies: 'default',
    });
    const { data } = await admin('GET', 'auth/my/deep/mount/role/open/role-id');
    const values = { VAULT_APPROLE_ROLE_ID: String(data?.role_id), VAULT_APPROLE_SECRET_ID: '' };
    const open = fixtureOf('approle', values);
    expect((await open.session.request({ ...READ, path: 'auth/token/lookup-self' })).status).toBe(200);
    expect(
      (await failureOf(fixtureOf('approle', { VAULT_APPROLE_SECRET_ID: '' }).session.request(READ))).message,
    ).toMatch(/refused the login/);
  });
});
