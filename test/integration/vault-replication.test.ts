import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { VaultError } from '../../src/vault/vault-error.js';
import { textOf } from '../../src/vault/secret-data.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { VaultFixture } from './vault-fixture.js';

const DATA = new Map([['a', textOf('1')]]);
const LAG_MS = 25_000;

let vault: LoopbackVault;
let clock: FakeClock;
let fixture: VaultFixture;

async function admin(path: string, body: unknown): Promise<void> {
  const headers = { 'x-vault-token': vault.rootToken };
  const { ok } = await fetch(`${vault.url}/v1/${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!ok) throw new Error(path);
}

const logins = (): number => vault.requests.count(({ url }) => url.includes('/login'));

/** What an attempt comes to: `ok`, or failure and retry. */
async function outcome(attempt: Promise<unknown>): Promise<string> {
  return await attempt.then(
    () => 'ok',
    (error: unknown) => {
      const { failure, retry } = error as VaultError;
      return `${failure} ${retry}`;
    },
  );
}

beforeAll(async () => {
  clock = new FakeClock();
  vault = await startVaultServer({ mounts: { kv: 'v1', kv2: 'v2' }, now: () => clock.now() });
  await admin('sys/auth/userpass', { type: 'userpass' });
  await admin('sys/policies/acl/most', {
    policy:
      'path "kv/*" { capabilities = ["create","read","update","delete"] } path "kv/denied" { capabilities = ["deny"] }',
  });
  await admin('auth/userpass/users/op', { password: 'right', token_policies: 'most', token_ttl: '1h' });
});

beforeEach(async () => {
  await clock.advance(1_000);
  vault.requests.clear();
  fixture = new VaultFixture(vault.url, {
    method: 'userpass',
    values: { VAULT_USERNAME: 'op', VAULT_PASSWORD: 'right' },
    clock,
  });
});

afterEach(async () => {
  vault.lagBehind(0);
  await fixture.close();
});

afterAll(async () => {
  await vault.close();
});

describe('two nodes behind one address, of which one does not know the new token yet', () => {
  it.each([
    ['says so', false],
    ['says only "permission denied"', true],
  ])('delay no request until the resync when the second node %s', async (_what, bare) => {
    vault.lagBehind(LAG_MS, { everyOther: true, bare });
    const kv = await fixture.store.open('kv/app', 'v1');
    const seen = new Set<string>();
    for (let second = 0; second < 24; second += 1) {
      fixture.store.forgetMounts();
      seen.add(await outcome(fixture.store.open('kv/app', 'v1')));
      seen.add(await outcome(kv.read()));
      seen.add(await outcome(kv.write(DATA, undefined)));
      // So that each of the nodes gets each kind of request.
      if (second % 3 === 0)
        await fixture.session.request({ method: 'GET', path: 'kv/x', operation: 'read' }).catch(() => 0);
      await clock.advance(1_000, () => fixture.quiet());
    }
    expect([...seen].sort()).toEqual([bare ? 'forbidden soon' : 'unavailable soon', 'ok'].sort());
    await clock.advance(2_000);
    expect(await outcome(kv.read())).toBe('ok');
    expect(logins()).toBe(1);
  });

  it('cause another login only when every node refuses a token that one has accepted', async () => {
    const kv = await fixture.store.open('kv/app', 'v1');
    for (const token of vault.tokens.all()) {
      if (token.displayName.startsWith('userpass')) vault.tokens.revoke(token.id);
    }
    expect(await outcome(kv.read())).toBe('unavailable soon');
    await clock.advance(5_000);
    const all = await Promise.all(Array.from({ length: 100 }, () => outcome(kv.read())));
    expect([...new Set(all)]).toEqual(['ok']);
    expect(logins()).toBe(2);
  });
});

describe('a permission that is missing', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['to look up a mount', () => fixture.store.open('kv2/data/app', 'v2')],
    ['to read', async () => (await fixture.store.open('kv/denied', 'v1')).read()],
    ['to write', async () => (await fixture.store.open('kv/denied', 'v1')).write(DATA, undefined)],
    ['to delete', async () => (await fixture.store.open('kv/denied', 'v1')).remove()],
  ])('%s is retried soon after a login, and later at the resync', async (_what, attempt) => {
    expect(await outcome(attempt())).toBe('forbidden soon');
    await clock.advance(31_000);
    expect(await outcome(attempt())).toBe('forbidden resync');
    expect(logins()).toBe(1);
  });
});
