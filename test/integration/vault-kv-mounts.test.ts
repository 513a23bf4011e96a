import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { failureOf } from './vault-fixture.js';
import {
  admin,
  changes,
  data,
  fixture,
  fixtureWithPolicy,
  lookUps,
  mount,
  useVaultKv,
  vault,
} from './vault-kv-fixture.js';

useVaultKv();

beforeAll(async () => {
  await admin.write('sys/mounts/plain', { type: 'kv' });
  await admin.write('sys/mounts/old', { type: 'generic' });
  await admin.write('sys/mounts/transit', { type: 'transit' });
});

describe('a mount', () => {
  it.each([
    ['kv1/data/app', 'v2', 'K/V v1 mount, but kvSettings.engineVersion says v2'],
    ['plain/data/app', 'v2', 'K/V v1 mount'],
    ['kv2/data/app', 'v1', 'K/V v2 mount, but kvSettings.engineVersion says v1'],
    ['kv2/app', 'v2', 'lacks the data/ segment'],
    ['kv2/data', 'v2', 'lacks the data/ segment'],
    ['kv2/metadata/app', 'v2', 'lacks the data/ segment'],
    ['kv2/database/app', 'v2', 'lacks the data/ segment'],
    ['transit/keys/x', 'v1', 'mounted as transit'],
    ['team/b/kv1', 'v1', 'is only a mount'],
  ] as const)('that does not fit %s as %s is reported', async (path, engine, why) => {
    const error = await failureOf(fixture.store.open(path, engine));
    expect(error).toMatchObject({ failure: 'engine-mismatch', retry: 'resync', reason: 'EngineMismatch' });
    expect(error.message).toContain(why);
    expect(vault.requests.count(({ url }) => !url.includes('/internal/ui/mounts/'))).toBe(0);
  });

  it('is looked up once for many secrets', async () => {
    await fixture.store.open('kv2/data/first', 'v2');
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => fixture.store.open(`kv2/data/s${String(n)}`, 'v2')),
    );
    expect(lookUps()).toBe(1);
    fixture.store.forgetMounts();
    await Promise.all(Array.from({ length: 50 }, () => fixture.store.open('kv2/data/same', 'v2')));
    expect(lookUps()).toBe(2);
  });

  it('that is missing or forbidden is reported, and can be told apart', async () => {
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
  });

  it('that was removed is reported', async () => {
    await admin.write('sys/mounts/brief', { type: 'kv', options: { version: '2' } });
    const kv = await fixture.store.open('brief/data/app', 'v2');
    await admin.delete('sys/mounts/brief');
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'mount-gone' });
    expect(await failureOf(kv.remove())).toMatchObject({ failure: 'mount-gone' });
    expect(await failureOf(fixture.store.open('brief/data/app', 'v2'))).toMatchObject({
      failure: 'forbidden',
    });
  });

  describe.each([
    ['v1', 'v2'],
    ['v2', 'v1'],
  ] as const)('of %s that was replaced by one of %s', (engine, other) => {
    const path = `swap-${engine}/data/app`;

    beforeEach(async () => {
      await mount(`swap-${engine}`, engine);
      await fixture.store.open(path, engine);
      await admin.delete(`sys/mounts/swap-${engine}`);
      await mount(`swap-${engine}`, other);
    });

    afterEach(async () => {
      await admin.delete(`sys/mounts/swap-${engine}`);
    });

    it('gets no write', async () => {
      const kv = await fixture.store.open(path, engine);
      expect(await kv.read()).toEqual({ state: 'absent' });
      vault.requests.clear();
      expect(await failureOf(kv.write(data({ a: '1' }), 0))).toMatchObject({ failure: 'engine-mismatch' });
      expect(changes()).toBe(0);
      expect(await failureOf(fixture.store.open(path, engine))).toMatchObject({ failure: 'engine-mismatch' });
    });

    it('gets no deletion', async () => {
      const kv = await fixture.store.open(path, engine);
      vault.requests.clear();
      expect(await failureOf(kv.remove())).toMatchObject({ failure: 'engine-mismatch' });
      expect(changes()).toBe(0);
    });
  });

  it('that was replaced by the other engine gets no write without a read either', async () => {
    await mount('unread', 'v2');
    const blind = await fixtureWithPolicy('path "unread/*" { capabilities = ["create", "update"] }');
    await blind.store.open('unread/data/app', 'v2');
    await admin.delete('sys/mounts/unread');
    await mount('unread', 'v1');
    const kv = await blind.store.open('unread/data/app', 'v2');
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'forbidden' });
    vault.requests.clear();
    expect(await failureOf(kv.write(data({ a: '1' }), 0))).toMatchObject({ failure: 'engine-mismatch' });
    expect(changes()).toBe(0);
  });
});
