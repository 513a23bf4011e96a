import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { SystemClock } from '../../src/runtime/clock.js';
import { textOf } from '../../src/vault/secret-data.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

let vault: LoopbackVault;
let fixture: VaultFixture;
let now = new Date();
/** How much later than on the machine's clock it is for the operator. */
let laterMs = 0;
const clock = new SystemClock({
  monotonicMs: () => performance.now() + laterMs,
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => {
    clearTimeout(timer);
  },
});

/** The token of every fixture that has sent a request is no longer new. */
function tokensAge(): void {
  laterMs += 60_000;
}

/** A request of an administrator. */
async function admin(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${vault.url}/v1/${path}`, {
    method,
    headers: { 'x-vault-token': vault.rootToken },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

async function fixtureWithPolicy(policy: string): Promise<VaultFixture> {
  await admin('PUT', 'sys/policies/acl/narrow', { policy });
  const { text } = await admin('POST', 'auth/token/create', { policies: ['narrow'], ttl: '1h' });
  const { auth } = JSON.parse(text) as { auth: { client_token: string } };
  return new VaultFixture(vault.url, { clock, values: { VAULT_TOKEN: auth.client_token } });
}

const data = (entries: Record<string, string>): Map<string, string> =>
  new Map(Object.entries(entries).map(([key, value]) => [key, textOf(value)]));

beforeAll(async () => {
  vault = await startVaultServer({
    mounts: { kv1: 'v1', kv2: 'v2', 'team/a/kv2': 'v2', 'team/b/kv1': 'v1' },
    now: () => now,
  });
  await admin('POST', 'sys/mounts/plain', { type: 'kv' });
  await admin('POST', 'sys/mounts/old', { type: 'generic' });
  await admin('POST', 'sys/mounts/transit', { type: 'transit' });
  fixture = new VaultFixture(vault.url, { clock, values: { VAULT_TOKEN: vault.rootToken } });
  await fixture.store.open('kv1/app', 'v1');
  tokensAge();
});

afterEach(() => {
  vault.faults.clear();
  vault.requests.clear();
  fixture.store.forgetMounts();
  now = new Date();
});

afterAll(async () => {
  await fixture.close();
  await vault.close();
});

describe('KvV1Secret', () => {
  it.each(['kv1/app', 'kv1/a/b/c', 'plain/app', 'old/app', 'team/b/kv1/x', 'kv1/data/app', 'kv1/ü b'])(
    'reads, replaces and deletes %s',
    async (path) => {
      const kv = await fixture.store.open(path, 'v1');
      expect(await kv.read()).toEqual({ state: 'absent' });
      await kv.write(data({ a: '1', b: '2' }), undefined);
      await kv.write(data({ a: '3' }), undefined);
      expect(await kv.read()).toEqual({ state: 'live', data: data({ a: '3' }) });
      await kv.remove();
      expect(await kv.read()).toEqual({ state: 'absent' });
      await kv.remove();
    },
  );

  it('keeps what others stored, digit by digit, and keys like any other', async () => {
    const text =
      '{"n":12345678901234567890,"f":1.0,"e":1e3,"__proto__":"p","constructor":{"a":[1,"<&>"]},"":"c"}';
    await admin('POST', 'kv1/odd', text);
    const kv = await fixture.store.open('kv1/odd', 'v1');
    const reading = await kv.read();
    if (reading.state !== 'live') throw new Error(reading.state);
    expect(reading.data.get('n')).toBe('12345678901234567890');
    expect(reading.data.get('__proto__')).toBe('"p"');
    await kv.write(new Map([...reading.data, ['added', textOf('\u2028<"')]]), undefined);
    const { text: stored } = await admin('GET', 'kv1/odd');
    for (const part of ['"n":12345678901234567890', '"f":1.0', '"e":1e3', '"__proto__":"p"']) {
      expect(stored).toContain(part);
    }
    expect(await kv.read()).toMatchObject({ state: 'live' });
    expect(({} as { p?: unknown }).p).toBeUndefined();
  });
});

describe('KvV2Secret', () => {
  it.each([
    ['kv2/data/app', 'kv2/metadata/app'],
    ['kv2/data/a/b', 'kv2/metadata/a/b'],
    ['kv2/data/data/data', 'kv2/metadata/data/data'],
    ['team/a/kv2/data/x', 'team/a/kv2/metadata/x'],
  ])('writes versions by check-and-set and removes all of %s', async (path, metadata) => {
    const kv = await fixture.store.open(path, 'v2');
    expect(await kv.read()).toEqual({ state: 'absent' });
    const first = await kv.write(data({ a: '1' }), 0);
    expect(first).toEqual({ version: 1, createdTime: expect.stringMatching(/^\d{4}-.*Z$/) as unknown });
    expect(await kv.read()).toEqual({ state: 'live', data: data({ a: '1' }), version: first });
    const second = await kv.write(new Map(), 1);
    expect(await kv.read()).toEqual({ state: 'live', data: new Map(), version: second });
    expect((await admin('GET', metadata)).status).toBe(200);
    await kv.remove();
    expect((await admin('GET', metadata)).status).toBe(404);
    await kv.remove();
  });

  it('never overwrites: a version that is not the current one is rejected', async () => {
    const kv = await fixture.store.open('kv2/data/cas', 'v2');
    await kv.write(data({ a: '1' }), 0);
    for (const cas of [0, 2, 7]) {
      expect(await failureOf(kv.write(data({ a: 'x' }), cas))).toMatchObject({
        failure: 'rejected',
        message: expect.stringContaining('did not match the current version') as unknown,
      });
    }
    expect(await failureOf(kv.write(data({ a: 'x' }), undefined))).toMatchObject({
      failure: 'rejected',
    });
    expect(await kv.read()).toMatchObject({ data: data({ a: '1' }), version: { version: 1 } });
  });

  it('tells when a version was written, live or deleted, and that there is none', async () => {
    const kv = await fixture.store.open('kv2/data/times', 'v2');
    const first = await kv.write(data({ a: '1' }), 0);
    const second = await kv.write(data({ a: '2' }), 1);
    await admin('DELETE', 'kv2/data/times');
    expect(await kv.createdTimeOf?.(1)).toBe(first?.createdTime);
    expect(await kv.createdTimeOf?.(2)).toBe(second?.createdTime);
    expect(await kv.createdTimeOf?.(3)).toBeUndefined();
  });

  it('tells deleted and destroyed versions from absent ones', async () => {
    const kv = await fixture.store.open('kv2/data/gone', 'v2');
    const version = await kv.write(data({ a: '1' }), 0);
    await admin('DELETE', 'kv2/data/gone');
    expect(await kv.read()).toEqual({ state: 'deleted', version });
    await admin('POST', 'kv2/undelete/gone', { versions: [1] });
    expect(await kv.read()).toMatchObject({ state: 'live' });
    await admin('PUT', 'kv2/destroy/gone', { versions: [1] });
    expect(await kv.read()).toEqual({ state: 'deleted', version });
    expect(await kv.write(data({ a: '2' }), 1)).toMatchObject({ version: 2 });
  });

  it('takes a version whose deletion lies in the future for live, until Vault says otherwise', async () => {
    await admin('POST', 'kv2/metadata/later', { delete_version_after: '1h' });
    const kv = await fixture.store.open('kv2/data/later', 'v2');
    await kv.write(data({ a: '1' }), 0);
    expect(await kv.read()).toMatchObject({ state: 'live', data: data({ a: '1' }) });
    now = new Date(now.getTime() + 2 * 3_600_000);
    expect(await kv.read()).toMatchObject({ state: 'deleted', version: { version: 1 } });
  });

  it('can tell that a write whose answer was lost took effect', async () => {
    const kv = await fixture.store.open('kv2/data/lost', 'v2');
    vault.faults.inject({
      matches: ({ method, url }) => method === 'POST' && url.includes('/lost'),
      action: { kind: 'serve-then-reset' },
      times: 1,
    });
    expect(await failureOf(kv.write(data({ a: '1' }), 0))).toMatchObject({
      failure: 'rejected',
    });
    expect(await kv.read()).toMatchObject({ data: data({ a: '1' }), version: { version: 1 } });
  });
});

describe('VaultKvStore', () => {
  it.each([
    ['kv1/data/app', 'v2', 'K/V v1 mount, but kvSettings.engineVersion says v2'],
    ['plain/data/app', 'v2', 'K/V v1 mount'],
    ['kv2/data/app', 'v1', 'K/V v2 mount, but kvSettings.engineVersion says v1'],
    ['kv2/app', 'v2', 'lacks data/'],
    ['kv2/data', 'v2', 'lacks data/'],
    ['kv2/metadata/app', 'v2', 'lacks data/'],
    ['kv2/database/app', 'v2', 'lacks data/'],
    ['transit/keys/x', 'v1', 'mounted as transit'],
    ['team/b/kv1', 'v1', 'the mount itself'],
  ] as const)('refuses %s as %s', async (path, engine, why) => {
    const error = await failureOf(fixture.store.open(path, engine));
    expect(error).toMatchObject({ failure: 'engine-mismatch', retry: 'resync', reason: 'EngineMismatch' });
    expect(error.message).toContain(why);
    expect(vault.requests.count(({ url }) => !url.includes('/internal/ui/mounts/'))).toBe(0);
  });

  it.each([
    'kv1/../sys/policies/acl/x',
    '%2e%2e/sys/x',
    'kv1/%2e%2e/x',
    'kv1/x?list=true',
    'kv1/x#y',
    'kv1\\x',
    'http://elsewhere/x',
    'sys/mounts',
    'auth/token/create',
    'identity/entity',
    'cubbyhole/x',
    'kv1//x',
    '/kv1/x',
    'kv1/x\n',
    'kv1',
    '',
  ])('makes no request for the path %j', async (path) => {
    expect(await failureOf(fixture.store.open(path, 'v1'))).toMatchObject({ failure: 'engine-mismatch' });
    expect(await failureOf(fixture.store.mountIsGone(path))).toMatchObject({ failure: 'engine-mismatch' });
    expect(vault.requests.all).toEqual([]);
  });

  it('looks a mount up once, for many secrets', async () => {
    await fixture.store.open('kv2/data/first', 'v2');
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => fixture.store.open(`kv2/data/s${String(n)}`, 'v2')),
    );
    expect(vault.requests.count(({ url }) => url.includes('/internal/ui/mounts/'))).toBe(1);
    fixture.store.forgetMounts();
    await Promise.all(Array.from({ length: 50 }, () => fixture.store.open('kv2/data/same', 'v2')));
    expect(vault.requests.count(({ url }) => url.includes('/internal/ui/mounts/'))).toBe(2);
  });

  it('says that a mount is missing or not permitted, and can find out which', async () => {
    const error = await failureOf(fixture.store.open('nomount/app', 'v1'));
    expect(error).toMatchObject({ failure: 'forbidden', reason: 'VaultForbidden' });
    expect(error.message).toContain(
      'no secrets engine is mounted for nomount/app, or the token has no permission',
    );
    expect(await fixture.store.mountIsGone('nomount/app')).toBe(true);
    expect(await fixture.store.mountIsGone('kv1/nothing')).toBe(false);
    const narrow = await fixtureWithPolicy('path "kv2/data/mine/*" { capabilities = ["create", "update"] }');
    expect(await failureOf(narrow.store.open('kv1/app', 'v1'))).toMatchObject({ failure: 'forbidden' });
    expect(await narrow.store.mountIsGone('kv1/app')).toBe(false);
    await narrow.close();
  });

  it('leaves other paths alone when one is forbidden', async () => {
    const narrow = await fixtureWithPolicy(
      'path "kv2/data/mine" { capabilities = ["create", "update", "read"] }\n' +
        'path "kv2/data/blind" { capabilities = ["create", "update"] }',
    );
    const theirs = await narrow.store.open('kv2/data/theirs', 'v2');
    const mine = await narrow.store.open('kv2/data/mine', 'v2');
    const blind = await narrow.store.open('kv2/data/blind', 'v2');
    for (const retry of ['soon', 'resync']) {
      const [read, write, remove, reading, blindRead] = await Promise.all([
        failureOf(theirs.read()),
        failureOf(theirs.write(data({ a: '1' }), 0)),
        failureOf(theirs.remove()),
        mine.read(),
        failureOf(blind.read()),
      ]);
      for (const error of [read, write, remove, blindRead]) {
        expect(error).toMatchObject({ failure: 'forbidden', retry, reason: 'VaultForbidden' });
      }
      expect(write.message).toBe('Vault does not let this token create or update kv2/data/theirs (HTTP 403)');
      expect(reading).toEqual({ state: 'absent' });
      tokensAge();
    }
    expect(await blind.write(data({ a: '1' }), 0)).toMatchObject({ version: 1 });
    await narrow.close();
  });

  it('says that the mount went away under a secret', async () => {
    await admin('POST', 'sys/mounts/brief', { type: 'kv', options: { version: '2' } });
    const kv = await fixture.store.open('brief/data/app', 'v2');
    await admin('DELETE', 'sys/mounts/brief');
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'mount-gone' });
    expect(await failureOf(kv.remove())).toMatchObject({ failure: 'mount-gone' });
    expect(await failureOf(fixture.store.open('brief/data/app', 'v2'))).toMatchObject({
      failure: 'forbidden',
    });
  });

  it.each([
    ['v2', '1', 'swap1/data/app'],
    ['v1', '2', 'swap2/data/app'],
  ] as const)(
    'writes nothing when a %s mount was replaced by the other engine',
    async (engine, then, path) => {
      const mount = path.split('/')[0] ?? '';
      await admin('POST', `sys/mounts/${mount}`, {
        type: 'kv',
        options: { version: engine === 'v2' ? '2' : '1' },
      });
      await fixture.store.open(`${mount}/data/other`, engine);
      await admin('DELETE', `sys/mounts/${mount}`);
      await admin('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: then } });
      const kv = await fixture.store.open(path, engine);
      expect(await kv.read()).toEqual({ state: 'absent' });
      vault.requests.clear();
      expect(await failureOf(kv.write(data({ a: '1' }), 0))).toMatchObject({
        failure: 'engine-mismatch',
      });
      expect(vault.requests.count(({ method }) => method !== 'GET')).toBe(0);
      expect(await failureOf(fixture.store.open(path, engine))).toMatchObject({ failure: 'engine-mismatch' });
    },
  );

  it.each([
    ['v2', '1', 'gone1/data/app'],
    ['v1', '2', 'gone2/data/app'],
  ] as const)(
    'deletes nothing when a %s mount was replaced by the other engine within the period',
    async (engine, then, path) => {
      const mount = path.split('/')[0] ?? '';
      const version = engine === 'v2' ? '2' : '1';
      await admin('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version } });
      await fixture.store.open(path, engine);
      await admin('DELETE', `sys/mounts/${mount}`);
      await admin('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: then } });
      const kv = await fixture.store.open(path, engine);
      vault.requests.clear();
      expect(await failureOf(kv.remove())).toMatchObject({ failure: 'engine-mismatch' });
      expect(vault.requests.count(({ method }) => method !== 'GET')).toBe(0);
    },
  );

  it('writes nothing unread when the mount was replaced by the other engine', async () => {
    await admin('POST', 'sys/mounts/unread', { type: 'kv', options: { version: '2' } });
    const blind = await fixtureWithPolicy('path "unread/*" { capabilities = ["create", "update"] }');
    await blind.store.open('unread/data/app', 'v2');
    await admin('DELETE', 'sys/mounts/unread');
    await admin('POST', 'sys/mounts/unread', { type: 'kv', options: { version: '1' } });
    const kv = await blind.store.open('unread/data/app', 'v2');
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'forbidden' });
    vault.requests.clear();
    expect(await failureOf(kv.write(data({ a: '1' }), 0))).toMatchObject({ failure: 'engine-mismatch' });
    expect(vault.requests.count(({ method }) => method !== 'GET')).toBe(0);
    await blind.close();
  });

  it('asks the guard before every attempt of a write, and sends nothing that it refuses', async () => {
    const kv = await fixture.store.open('kv1/guarded', 'v1');
    vault.faults.inject({
      matches: ({ method }) => method === 'POST',
      action: { kind: 'answer', status: 503, body: '{"errors":[]}' },
    });
    let asked = 0;
    const refusal = new Error('not any more');
    const guard = (): void => {
      const { length } = vault.requests.all.filter(({ method }) => method === 'POST');
      asked += 1;
      if (length > 0) throw refusal;
    };
    vault.requests.clear();
    expect(await failureOf(kv.write(data({ a: '1' }), undefined, { guard }))).toBe(refusal);
    expect(asked).toBeGreaterThan(1);
    expect(vault.requests.count(({ method }) => method === 'POST')).toBe(1);
  });

  it('never takes the page of a proxy for a missing secret', async () => {
    const kv = await fixture.store.open('kv1/app', 'v1');
    const kv2 = await fixture.store.open('kv2/data/app', 'v2');
    vault.faults.inject({
      matches: () => true,
      action: { kind: 'answer', status: 404, body: 'default backend - 404' },
    });
    for (const failed of [
      kv.read(),
      kv.remove(),
      kv2.read(),
      kv2.remove(),
      fixture.store.mountIsGone('kv1/app'),
    ]) {
      expect(await failureOf(failed)).toMatchObject({ failure: 'unavailable' });
    }
  });

  it('works in a namespace, and takes an unknown one for a fault, not for missing secrets', async () => {
    await admin('POST', 'sys/namespaces/team', {});
    const config = { namespace: 'team' };
    const inside = new VaultFixture(vault.url, { config, values: { VAULT_TOKEN: vault.rootToken } });
    await fetch(`${vault.url}/v1/sys/mounts/kv`, {
      method: 'POST',
      headers: { 'x-vault-token': vault.rootToken, 'x-vault-namespace': 'team' },
      body: '{"type":"kv","options":{"version":"2"}}',
    });
    const kv = await inside.store.open('kv/data/app', 'v2');
    await kv.write(data({ a: '1' }), 0);
    expect(await kv.read()).toMatchObject({ state: 'live' });
    await admin('DELETE', 'sys/namespaces/team');
    for (const failed of [kv.read(), kv.remove()]) {
      const error = await failureOf(failed);
      expect(error).toMatchObject({ failure: 'rejected' });
      expect(error.message).toContain('VAULT_NAMESPACE');
    }
    expect(await inside.store.mountIsGone('kv/data/app')).toBe(false);
    await inside.close();
  });
});
