import { beforeAll, describe, expect, it } from '@jest/globals';

import { textOf } from '../../src/vault/secret-data.js';
import { failureOf } from './vault-fixture.js';
import { admin, data, fixture, useVaultKv, vault, vaultIsLaterBy } from './vault-kv-fixture.js';

useVaultKv();

beforeAll(async () => {
  await admin.write('sys/mounts/plain', { type: 'kv' });
  await admin.write('sys/mounts/old', { type: 'generic' });
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

  it('keeps what others stored, digit by digit, under any key', async () => {
    const text =
      '{"n":12345678901234567890,"f":1.0,"e":1e3,"__proto__":"p","constructor":{"a":[1,"<&>"]},"":"c"}';
    await admin.send('POST', 'kv1/odd', text);
    const kv = await fixture.store.open('kv1/odd', 'v1');
    const reading = await kv.read();
    if (reading.state !== 'live') throw new Error(reading.state);
    expect(reading.data.get('n')).toBe('12345678901234567890');
    expect(reading.data.get('__proto__')).toBe('"p"');
    await kv.write(new Map([...reading.data, ['added', textOf('\u2028<"')]]), undefined);
    const { text: stored } = await admin.send('GET', 'kv1/odd');
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
    expect((await admin.send('GET', metadata)).status).toBe(200);
    await kv.remove();
    expect((await admin.send('GET', metadata)).status).toBe(404);
    await kv.remove();
  });

  it('never overwrites: a check-and-set against another version is rejected', async () => {
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

  it('gives the time of a version, live or deleted, and none for a missing one', async () => {
    const kv = await fixture.store.open('kv2/data/times', 'v2');
    const first = await kv.write(data({ a: '1' }), 0);
    const second = await kv.write(data({ a: '2' }), 1);
    await admin.delete('kv2/data/times');
    expect(await kv.createdTimeOf?.(1)).toBe(first?.createdTime);
    expect(await kv.createdTimeOf?.(2)).toBe(second?.createdTime);
    expect(await kv.createdTimeOf?.(3)).toBeUndefined();
  });

  it('distinguishes deleted and destroyed versions from absent ones', async () => {
    const kv = await fixture.store.open('kv2/data/gone', 'v2');
    const version = await kv.write(data({ a: '1' }), 0);
    await admin.delete('kv2/data/gone');
    expect(await kv.read()).toEqual({ state: 'deleted', version });
    await admin.write('kv2/undelete/gone', { versions: [1] });
    expect(await kv.read()).toMatchObject({ state: 'live' });
    await admin.write('kv2/destroy/gone', { versions: [1] });
    expect(await kv.read()).toEqual({ state: 'deleted', version });
    expect(await kv.write(data({ a: '2' }), 1)).toMatchObject({ version: 2 });
  });

  it('treats a version with a future deletion time as live until then', async () => {
    await admin.write('kv2/metadata/later', { delete_version_after: '1h' });
    const kv = await fixture.store.open('kv2/data/later', 'v2');
    await kv.write(data({ a: '1' }), 0);
    expect(await kv.read()).toMatchObject({ state: 'live', data: data({ a: '1' }) });
    vaultIsLaterBy(2 * 3_600_000);
    expect(await kv.read()).toMatchObject({ state: 'deleted', version: { version: 1 } });
  });

  it('finds after a lost answer that the write took effect', async () => {
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
