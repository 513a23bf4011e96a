import { beforeEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('keys that cannot be decrypted', () => {
  it.each(ENGINES)(
    'keeps what Vault has for a key that fails on %s, byte for byte',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      fixture.vault.tamper(
        path,
        engineVersion,
        new Map([
          ['bad', '12345678901234567890'],
          ['gone', '1'],
        ]),
      );
      fixture.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one'), bad('bad')] });
      await fixture.reconcile('x');
      expect([...(fixture.vault.peek(path, engineVersion) ?? [])].sort()).toEqual([
        ['a', '"one"'],
        ['bad', '12345678901234567890'],
      ]);
      expect(fixture.ready('x')?.reason).toBe('DecryptionFailed');
    },
  );

  it('keeps on v1 what changed in Vault during a long decryption', async () => {
    const path = pathFor('v1');
    fixture.vault.tamper(path, 'v1', new Map([['bad', '"old"']]));
    fixture.secret('x', {
      path,
      kvSettings: { engineVersion: 'v1' },
      secrets: [item('a', 'one'), bad('bad')],
    });
    fixture.kms.onRequest = () => {
      fixture.now += 5_000;
      fixture.vault.tamper(path, 'v1', new Map([['bad', '"new"']]));
    };
    await fixture.reconcile('x');
    expect([...(fixture.vault.peek(path, 'v1') ?? [])].sort()).toEqual([
      ['a', '"one"'],
      ['bad', '"new"'],
    ]);
  });

  it('does not ask KMS again about a wrong ciphertext until the input changes', async () => {
    fixture.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    fixture.secret('x', { secrets: [item('a', 'one'), item('b', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it('asks again at every resync, but only for the denied key', async () => {
    fixture.kms.denied.add('secret');
    fixture.secret('x', { secrets: [item('a', 'one'), item('d', 'secret')] });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked + 1);
    fixture.kms.denied.clear();
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', d: 'secret' });
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
  });

  it('writes nothing while KMS is down, and reports it only where a change is pending', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.restart();
    fixture.kms.down = true;
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"changed"']]));
    const { writes } = fixture.vault;
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(fixture.ready('x')?.status).toBe('True');
    fixture.secret('x', { secrets: [item('a', 'two'), item('b', 'new')] });
    expect(await fixture.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(fixture.ready('x')?.reason).toBe('KmsUnavailable');
    expect(fixture.vault.writes).toBe(writes);
  });

  it('reports Synced again when a pending change is reverted during the outage', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.vault.down = true;
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('VaultUnavailable');
    fixture.secret('x', { secrets: [item('a', 'one')] });
    expect(await fixture.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(fixture.cache.secret('default', 'x')?.status?.keys).toBe('1/1');
  });

  it('writes nothing when no key could be decrypted', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['other', '"kept"']]));
    fixture.secret('x', { secrets: [bad('a')] });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ other: 'kept' });
    expect(fixture.find(SECRET_KIND, 'x')?.status?.created).toBeUndefined();
  });

  it('lists at most 50 failed keys, marks the list as cut, and does not rely on it after a restart', async () => {
    const many = Array.from({ length: 60 }, (_, index) => bad(`key-${String(index).padStart(2, '0')}`));
    fixture.secret('x', { secrets: [item('a', 'one'), ...many] });
    await fixture.reconcile('x');
    const status = fixture.cache.secret('default', 'x')?.status;
    expect(status?.failedKeys).toHaveLength(50);
    expect(status).toMatchObject({ failedKeysCut: true, keys: '1/61' });
    fixture.restart();
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked + 61);
  });
});
