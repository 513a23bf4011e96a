import { describe, expect, it } from '@jest/globals';

import { failureOf } from './vault-fixture.js';
import { admin, data, fixture, fixtureWithPolicy, tokensAge, useVaultKv } from './vault-kv-fixture.js';

useVaultKv();

describe('the metadata of a K/V v2 secret', () => {
  it('are absent, created without a version, changed field by field, and read back', async () => {
    const kv = await fixture.store.open('kv2/data/meta', 'v2');
    expect(await kv.readMetadata?.()).toBeUndefined();
    const customMetadata = new Map([
      ['team', 'web & <ü>'],
      ['__proto__', 'x'],
    ]);
    await kv.writeMetadata?.({ deleteVersionAfterSeconds: 5_400, customMetadata });
    expect(await kv.read()).toEqual({ state: 'absent' });
    await kv.writeMetadata?.({ maxVersions: 3, casRequired: true });
    const found = await kv.readMetadata?.();
    expect(found).toEqual({
      maxVersions: 3,
      casRequired: true,
      deleteVersionAfterSeconds: 5_400,
      customMetadata,
      revision: 2,
    });
    expect(found?.customMetadata).toEqual(customMetadata);
    await kv.write(data({ a: '1' }), 0);
    expect(await kv.read()).toMatchObject({ state: 'live', customMetadata });
    await kv.writeMetadata?.({ customMetadata: new Map() });
    expect((await kv.readMetadata?.())?.customMetadata.size).toBe(0);
  });

  it('are not changed from a revision that another client has replaced', async () => {
    const kv = await fixture.store.open('kv2/data/raced', 'v2');
    await kv.writeMetadata?.({ maxVersions: 3 });
    await admin.write('kv2/metadata/raced', { custom_metadata: { theirs: '1' } });
    const failure = await failureOf(
      kv.writeMetadata?.({ customMetadata: new Map(), revision: 1 }) ?? Promise.resolve(),
    );
    expect(failure).toMatchObject({ failure: 'rejected' });
    expect((await kv.readMetadata?.())?.customMetadata).toEqual(new Map([['theirs', '1']]));
  });

  it('may be set although the mount requires check-and-set whatever they say', async () => {
    await admin.write('kv2/config', { cas_required: true });
    const kv = await fixture.store.open('kv2/data/mandated', 'v2');
    await kv.writeMetadata?.({ casRequired: false });
    await kv.write(data({ a: '1' }), 0);
    await admin.write('kv2/config', { cas_required: false });
    expect(await kv.read()).toMatchObject({ state: 'live' });
  });

  it('need permissions of their own, and the error names their path', async () => {
    const narrow = await fixtureWithPolicy(
      'path "kv2/data/*" { capabilities = ["create", "read", "update"] }',
    );
    const kv = await narrow.store.open('kv2/data/own', 'v2');
    await kv.write(data({ a: '1' }), 0);
    tokensAge();
    const failure = await failureOf(kv.readMetadata?.() ?? Promise.resolve());
    expect(failure).toMatchObject({
      failure: 'forbidden',
      message: 'Vault does not allow this token to read kv2/metadata/own (HTTP 403)',
    });
  });

  it('stay, with the older versions, when only the current version is removed', async () => {
    const kv = await fixture.store.open('kv2/data/latest', 'v2');
    await kv.write(data({ a: '1' }), 0);
    const second = await kv.write(data({ a: '2' }), 1);
    await kv.writeMetadata?.({ customMetadata: new Map([['team', 'web']]) });
    await kv.removeLatest?.();
    expect(await kv.read()).toMatchObject({ state: 'deleted', version: second });
    const metadata = await admin.read('kv2/metadata/latest');
    expect(metadata).toMatchObject({
      custom_metadata: { team: 'web' },
      versions: { 1: { deletion_time: '' } },
    });
    await kv.removeLatest?.();
  });
});
