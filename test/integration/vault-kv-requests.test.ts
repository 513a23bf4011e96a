import { describe, expect, it } from '@jest/globals';

import { closing } from '../support/closing.js';
import { VaultApi } from '../support/vault-api.js';
import { failureOf, VaultFixture } from './vault-fixture.js';
import { admin, data, fixture, fixtureWithPolicy, tokensAge, useVaultKv, vault } from './vault-kv-fixture.js';

useVaultKv();

describe('requests for secrets', () => {
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
  ])('are never sent for the path %j', async (path) => {
    expect(await failureOf(fixture.store.open(path, 'v1'))).toMatchObject({ failure: 'engine-mismatch' });
    expect(await failureOf(fixture.store.mountIsGone(path))).toMatchObject({ failure: 'engine-mismatch' });
    expect(vault.requests.all).toEqual([]);
  });

  it('fail for a forbidden path only, with the missing permission', async () => {
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
      expect(write.message).toBe(
        'Vault does not allow this token to create or update kv2/data/theirs (HTTP 403)',
      );
      expect(reading).toEqual({ state: 'absent' });
      tokensAge();
    }
    expect(await blind.write(data({ a: '1' }), 0)).toMatchObject({ version: 1 });
  });

  it('are sent only if the guard of the write allows each attempt', async () => {
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

  it('fail when a proxy answers 404 with a page: that is no missing secret', async () => {
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

  it('go to the namespace, and report an unknown one as an error, not as missing secrets', async () => {
    await admin.write('sys/namespaces/team');
    const team = closing(new VaultApi(vault.url, vault.rootToken, { namespace: 'team' }));
    await team.write('sys/mounts/kv', { type: 'kv', options: { version: '2' } });
    const config = { namespace: 'team' };
    const inside = closing(new VaultFixture(vault.url, { config, values: { VAULT_TOKEN: vault.rootToken } }));
    const kv = await inside.store.open('kv/data/app', 'v2');
    await kv.write(data({ a: '1' }), 0);
    expect(await kv.read()).toMatchObject({ state: 'live' });
    await admin.delete('sys/namespaces/team');
    for (const failed of [kv.read(), kv.remove()]) {
      const error = await failureOf(failed);
      expect(error).toMatchObject({ failure: 'rejected' });
      expect(error.message).toContain('VAULT_NAMESPACE');
    }
    expect(await inside.store.mountIsGone('kv/data/app')).toBe(false);
  });
});
