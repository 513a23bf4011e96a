import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { KvSecret } from '../../src/vault/kv-store.js';
import { textOf } from '../../src/vault/secret-data.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/wait.js';
import { failureOf, VaultFixture, type FixtureOptions } from './vault-fixture.js';

const DATA = new Map([['a', textOf('1')]]);
const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;

let vault: LoopbackVault;
let address: string;
let clock: FakeClock;
const fixtures: VaultFixture[] = [];

async function admin(method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(`${vault.url}/v1/${path}`, {
    method,
    headers: { 'x-vault-token': vault.rootToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return await response.text();
}

function fixtureOf(options: FixtureOptions = {}, url = address): VaultFixture {
  const fixture = new VaultFixture(url, { values: { VAULT_TOKEN: vault.rootToken }, ...options });
  fixtures.push(fixture);
  return fixture;
}

/** Logs in as a user whose tokens live as told. */
async function userFixture(
  token: Record<string, unknown> = {},
  options: FixtureOptions = {},
): Promise<VaultFixture> {
  await admin('POST', 'auth/userpass/users/op', {
    password: 'right',
    token_policies: 'all',
    token_ttl: '1h',
    ...token,
  });
  const values = { VAULT_USERNAME: 'op', VAULT_PASSWORD: 'right' };
  return fixtureOf({ method: 'userpass', values, ...options });
}

const logins = (): number => vault.requests.count(({ url }) => url.includes('/login'));

beforeAll(async () => {
  clock = new FakeClock();
  vault = await startVaultServer({ mounts: { kv: 'v1', kv2: 'v2' }, now: () => clock.now() });
  address = vault.url;
  await admin('POST', 'sys/auth/userpass', { type: 'userpass' });
  await admin('PUT', 'sys/policies/acl/all', {
    policy: 'path "kv/*" { capabilities = ["create","read","update","delete"] }',
  });
});

beforeEach(() => {
  vault.requests.clear();
});

afterEach(async () => {
  vault.faults.clear();
  vault.unseal();
  vault.standby(undefined);
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

afterAll(async () => {
  await vault.close();
});

describe('Vault unavailable', () => {
  it('is met with retries, a clear error, and work again without a restart', async () => {
    const fixture = fixtureOf({ config: { maxRetries: 1 } });
    const kv = await fixture.store.open('kv/app', 'v1');
    vault.seal();
    const sealed = await failureOf(kv.read());
    expect(sealed).toMatchObject({ failure: 'unavailable', retry: 'soon', reason: 'VaultUnavailable' });
    expect(sealed.message).toBe('Vault answered HTTP 503: Vault is sealed');
    expect(vault.requests.count(({ url, status }) => url === '/v1/kv/app' && status === 503)).toBe(2);
    vault.unseal();
    expect(await kv.read()).toEqual({ state: 'absent' });

    await vault.stop();
    expect((await failureOf(kv.read())).message).toContain('ECONNREFUSED');
    await vault.restart();
    expect(await kv.read()).toEqual({ state: 'absent' });
    expect(vault.requests.count(({ url }) => url.includes('lookup-self'))).toBe(1);
  });

  it('at the start is not fatal: the session comes when Vault does', async () => {
    await vault.stop();
    const time = new FakeClock();
    const fixture = fixtureOf({ clock: time, config: { maxRetries: 0 } });
    fixture.session.start();
    await eventually('the problem', () => fixture.session.problem()?.includes('ECONNREFUSED'));
    await vault.restart();
    await eventually('the session', async () => {
      await time.advance(500, () => fixture.quiet());
      return fixture.session.problem() === undefined;
    });
  });

  it('says that a name cannot be resolved', async () => {
    const fixture = fixtureOf({ config: { maxRetries: 0 } }, 'http://vault.invalid:8200');
    expect((await failureOf(fixture.session.request(READ))).message).toMatch(
      /cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  it('as a black hole holds up one request until its timeout, and no other', async () => {
    const fixture = fixtureOf({ config: { timeoutMs: 2_000 } });
    const kv = await fixture.store.open('kv/slow', 'v1');
    vault.faults.inject({ matches: ({ url }) => url.includes('/slow'), action: { kind: 'hang' } });
    const slow = failureOf(kv.read());
    const fast = await Promise.all(
      Array.from({ length: 20 }, (_, n) => fixture.session.request({ ...READ, path: `kv/fast${String(n)}` })),
    );
    expect(fast.every(({ status }) => status === 404)).toBe(true);
    expect((await slow).message).toContain('VAULT_CLIENT_TIMEOUT');
    expect(vault.requests.count(({ url }) => url.includes('/slow') && !url.includes('mounts'))).toBe(1);
  });
});

describe('redirects', () => {
  it('of a standby are followed once, with method, body and token', async () => {
    const standby = await startVaultServer();
    standby.standby(vault.url);
    const fixture = fixtureOf({}, standby.url);
    const kv: KvSecret = await fixture.store.open('kv2/data/via-standby', 'v2');
    expect(await kv.write(DATA, 0)).toMatchObject({ version: 1 });
    const off = fixtureOf({ config: { disableRedirects: true } }, standby.url);
    expect((await failureOf(off.store.open('kv/app', 'v1'))).message).toContain('VAULT_DISABLE_REDIRECTS');
    await standby.close();
  });

  it('in a circle end after one hop', async () => {
    const fixture = fixtureOf();
    const kv = await fixture.store.open('kv/app', 'v1');
    vault.standby(vault.url);
    vault.requests.clear();
    expect((await failureOf(kv.read())).message).toContain('more than once');
    expect(vault.requests.all).toHaveLength(2);
  });

  it('from https to http are refused, and the token goes nowhere', async () => {
    const authority = await TestAuthority.create();
    const secure = await startVaultServer({ tls: await authority.issue() });
    secure.standby(vault.url);
    const fixture = fixtureOf({ config: { caCertBytes: authority.cert } }, secure.url);
    expect((await failureOf(fixture.session.request(READ))).message).toContain('from https to http');
    expect(vault.requests.all).toEqual([]);
    await secure.close();
  });

  it('from http to https are followed', async () => {
    const authority = await TestAuthority.create();
    const secure = await startVaultServer({
      tls: await authority.issue(),
      rootToken: vault.rootToken,
      mounts: { kv: 'v1' },
    });
    vault.standby(secure.url);
    const fixture = fixtureOf({ config: { caCertBytes: authority.cert } });
    expect((await fixture.session.request(READ)).status).toBe(404);
    await secure.close();
  });
});

describe('429 and 412', () => {
  it.each([
    [429, { 'retry-after': '1' }],
    [412, {}],
  ])('HTTP %d is tried again, a bounded number of times', async (status, headers) => {
    const fixture = fixtureOf({ config: { maxRetries: 1 } });
    const kv = await fixture.store.open('kv/app', 'v1');
    vault.faults.inject({ matches: () => true, action: { kind: 'answer', status, headers }, times: 1 });
    expect(await kv.read()).toEqual({ state: 'absent' });
    vault.requests.clear();
    vault.faults.inject({ matches: () => true, action: { kind: 'answer', status, headers } });
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'unavailable', facts: { status } });
    expect(vault.requests.all).toHaveLength(2);
  });
});

describe('after SIGTERM', () => {
  it('Vault gets no further attempt, look-up or login, and then the token is revoked', async () => {
    const stopping = new AbortController();
    const fixture = await userFixture({}, { config: { maxRetries: 5 }, stopping: stopping.signal });
    const kv = await fixture.store.open('kv/stopping', 'v1');
    vault.seal();
    const reading = failureOf(kv.read());
    await eventually(
      'the first attempt',
      () => vault.requests.count(({ url, status }) => url === '/v1/kv/stopping' && status === 503) > 0,
    );
    stopping.abort();
    const seen = vault.requests.count(() => true);
    expect(await reading).toMatchObject({ failure: 'unavailable' });
    expect(await failureOf(fixture.store.open('kv2/data/stopping', 'v2'))).toMatchObject({
      failure: 'unavailable',
    });
    vault.unseal();
    for (const token of vault.tokens.all())
      if (token.displayName.startsWith('userpass')) vault.tokens.revoke(token.id);
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'unavailable' });
    // The read that found the token gone; nothing was asked about it.
    expect(vault.requests.count(() => true)).toBe(seen + 1);
    await fixture.close();
    expect(vault.requests.all.at(-1)?.url).toBe('/v1/auth/token/revoke-self');
  });
});

describe('"not now" with a status below 500', () => {
  it.each(['here', 'primary'] as const)(
    'a K/V mount that is being upgraded, %s, is an outage of seconds',
    async (by) => {
      const fixture = fixtureOf({ config: { maxRetries: 0 } });
      const kv = await fixture.store.open(`kv2/data/upgraded-${by}`, 'v2');
      vault.upgradeMounts(by);
      const whileUpgrading = await Promise.all([failureOf(kv.read()), failureOf(kv.write(DATA, 0))]);
      vault.upgradeMounts(undefined);
      for (const error of whileUpgrading) {
        expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon', facts: { status: 400 } });
        expect(error.message).toContain('upgrade');
      }
      expect(await kv.write(DATA, 0)).toMatchObject({ version: 1 });
    },
  );

  it('a disaster recovery secondary is an outage until it is promoted', async () => {
    const fixture = await userFixture({}, { config: { maxRetries: 0 } });
    vault.becomeRecoverySecondary(true);
    const error = await failureOf(fixture.session.request(READ));
    vault.becomeRecoverySecondary(false);
    expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon' });
  });

  it('a token that has not been replicated yet is waited for, without another login', async () => {
    clock = new FakeClock();
    const fixture = await userFixture({}, { clock });
    vault.lagBehind(5_000);
    for (let second = 0; second < 5; second += 1) {
      expect(await failureOf(fixture.store.open('kv/lagging', 'v1'))).toMatchObject({
        failure: 'unavailable',
        retry: 'soon',
      });
      await clock.advance(1_000, () => fixture.quiet());
    }
    const kv = await fixture.store.open('kv/lagging', 'v1');
    vault.lagBehind(0);
    expect(await kv.read()).toEqual({ state: 'absent' });
    expect(logins()).toBe(1);
  });
});

describe('tokens', () => {
  it('revoked in mid-run are replaced by exactly one login for 100 requests', async () => {
    clock = new FakeClock();
    const fixture = await userFixture({}, { clock });
    await fixture.session.request(READ);
    // A token that is refused sooner may be one that is not known yet.
    await clock.advance(60_000, () => fixture.quiet());
    for (const token of vault.tokens.all())
      if (token.displayName.startsWith('userpass')) vault.tokens.revoke(token.id);
    vault.requests.clear();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => fixture.session.request({ ...READ, path: `kv/r${String(n)}` })),
    );
    expect(answers.every(({ status }) => status === 404)).toBe(true);
    expect(logins()).toBe(1);
    for (let n = 0; n < 100; n += 1) {
      expect(vault.requests.count(({ url }) => url === `/v1/kv/r${String(n)}`)).toBeLessThanOrEqual(2);
    }
  });

  it('are renewed before their end, and replaced when they cannot be', async () => {
    clock = new FakeClock();
    const fixture = await userFixture({ token_ttl: '10m', token_max_ttl: '30m' }, { clock });
    fixture.session.start();
    for (let minute = 0; minute < 120; minute += 1) {
      await clock.advance(60_000, () => fixture.quiet());
      expect((await fixture.session.request(READ)).status).toBe(404);
    }
    const renewals = vault.requests.count(({ url }) => url.includes('renew-self'));
    expect(renewals).toBeGreaterThan(8);
    expect(logins()).toBeGreaterThanOrEqual(4);
    expect(logins()).toBeLessThanOrEqual(8);
    expect(vault.requests.count(({ status }) => status === 403)).toBe(0);
  });

  it.each([
    ['root', undefined],
    ['periodic', { policies: ['all'], period: '1h' }],
    ['batch', { policies: ['all'], type: 'batch', ttl: '1h' }],
    ['non-renewable', { policies: ['all'], renewable: false, ttl: '1h' }],
    ['without the default policy', { policies: ['all'], no_default_policy: true, ttl: '1h' }],
  ])('that are %s work without a hot loop', async (_what, request) => {
    clock = new FakeClock();
    const created = request === undefined ? undefined : await admin('POST', 'auth/token/create', request);
    const token =
      created === undefined
        ? vault.rootToken
        : (JSON.parse(created) as { auth: { client_token: string } }).auth.client_token;
    vault.requests.clear();
    const fixture = fixtureOf({ values: { VAULT_TOKEN: token }, clock });
    expect((await fixture.session.request(READ)).status).toBe(404);
    for (let minute = 0; minute < 30; minute += 1) await clock.advance(60_000, () => fixture.quiet());
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect((await fixture.session.request({ ...READ, path: 'kv2/data/x' })).status).toBe(
      request === undefined ? 404 : 403,
    );
    expect(vault.requests.all.length).toBeLessThanOrEqual(6);
    await fixture.close();
    expect((await admin('GET', 'auth/token/lookup-self')).includes('"errors"')).toBe(false);
    expect(vault.tokens.peek(token)).toBeDefined();
  });

  it('of ours are revoked at the end', async () => {
    const fixture = await userFixture();
    await fixture.session.request(READ);
    const ours = (): number =>
      vault.tokens.all().filter(({ displayName }) => displayName === 'userpass-op').length;
    const before = ours();
    await fixture.close();
    expect(ours()).toBe(before - 1);
  });

  it('refused at the login leave the account usable for everybody else', async () => {
    clock = new FakeClock();
    const fixture = await userFixture(
      {},
      { values: { VAULT_USERNAME: 'op', VAULT_PASSWORD: 'wrong' }, clock },
    );
    for (let minute = 0; minute < 120; minute += 1) {
      const error = await failureOf(fixture.session.request(READ));
      expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon' });
      expect(error.message).toBe(
        'not logged in to Vault: Vault refused the login (HTTP 400: invalid username or password); check the credentials, the role and the login endpoint',
      );
      await clock.advance(60_000, () => fixture.quiet());
    }
    expect(logins()).toBeGreaterThan(3);
    expect(logins()).toBeLessThanOrEqual(11);
    expect(await admin('POST', 'auth/userpass/login/op', { password: 'right' })).toContain('client_token');
  });
});
