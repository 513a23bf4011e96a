import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('what a resource may claim', () => {
  it.each([
    ['a missing include', { secrets: [], includeSecrets: ['nope'] }],
    ['an item without a value', { secrets: [{ key: 'a' }] }],
    ['nothing at all', { secrets: [] }],
  ])('%s writes nothing over a foreign v1 secret and may not delete it', async (_what, spec) => {
    fixture.vault.tamper(
      'kv/x',
      'v1',
      new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    );
    fixture.secret(
      'x',
      { path: 'kv/x', kvSettings: { engineVersion: 'v1' }, ...spec },
      { finalizers: [DELETE_FINALIZER] },
    );
    await fixture.reconcile('x');
    await fixture.reconcile('x');
    expect(fixture.cache.secret('default', 'x')?.status?.created).toBeUndefined();
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('kv/x', 'v1')).toEqual({ a: 1, b: 2 });
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('does not write once the resource is gone, being deleted, or no longer the owner of its path', async () => {
    for (const meanwhile of ['gone', 'deleting', 'owned'] as const) {
      fixture = new ReconcileFixture();
      fixture.secret('older', { path: 'secret/data/other', secrets: [] });
      const finalizers = meanwhile === 'deleting' ? { finalizers: ['example.com/other'] } : {};
      fixture.secret('x', { secrets: [item('a', 'one')] }, finalizers);
      const decrypt = fixture.kms.decrypt.bind(fixture.kms);
      fixture.kms.decrypt = (request): Promise<string> => {
        if (meanwhile === 'owned') fixture.secret('older', { path: 'secret/data/x', secrets: [] });
        else fixture.delete(SECRET_KIND, 'x');
        return decrypt(request);
      };
      await fixture.reconcile('x', 'edit');
      expect(fixture.values('secret/data/x')).toBeUndefined();
    }
  });

  it('keeps to the version that it wrote unread, also when the status patch was lost', async () => {
    fixture.vault.writeOnly.add('secret/data/x');
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two' });
  });

  it('reports a write whose status patch was lost', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x');
    fixture.apiDown = false;
    await fixture.reconcile('x');
    expect(fixture.cache.secret('default', 'x')?.status?.lastWriteTime).toBeDefined();
  });

  it('says all that is wrong with a stale pin again and again', async () => {
    const kvSettings = { engineVersion: 'v2' as const, casIndex: 0 };
    fixture.secret('x', { kvSettings, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { kvSettings, secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('x', 'edit');
    const before = fixture.cache.secret('default', 'x')?.status;
    expect(before).toMatchObject({ keys: '0/2', failedKeys: [{ key: 'b', reason: 'InvalidCiphertext' }] });
    const { statusPatches } = fixture;
    await fixture.reconcile('x');
    expect(fixture.statusPatches).toBe(statusPatches);
  });

  it('takes null for a list or context that is absent', async () => {
    fixture.partial('p', { secrets: null as never, secretContext: null as never });
    fixture.secret('x', { secrets: [item('a', 'one')], secretContext: null as never, includeSecrets: ['p'] });
    await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('Synced');
  });
});

describe('FinalizerHandler', () => {
  const deleting = async (metadata: object = { finalizers: [DELETE_FINALIZER] }): Promise<void> => {
    fixture.secret('x', { secrets: [item('a', 'one')] }, metadata);
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
  };

  it('deletes what the resource wrote and lets it go', async () => {
    await deleting();
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(fixture.reasons()).toContain('SecretDeleted');
  });

  it('leaves foreign finalizers and, without its own, Vault alone', async () => {
    await deleting({ finalizers: ['example.com/other'] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(fixture.find(SECRET_KIND, 'x')?.metadata.finalizers).toEqual(['example.com/other']);
  });

  it('stays while Vault is down, says why, and finishes later', async () => {
    await deleting();
    fixture.vault.down = true;
    expect((await fixture.reconcile('x', 'edit')).result).toBe('error');
    expect(fixture.ready('x')?.reason).toBe('Deleting');
    expect(fixture.reasons()).toContain('DeletionFailed');
    fixture.vault.down = false;
    await fixture.reconcile('x');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('hands the value over to another resource with the same path', async () => {
    await deleting();
    fixture.secret('heir', { path: 'secret/data/x', secrets: [item('a', 'one')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(fixture.reasons()).toContain('SecretKept');
  });

  it('keeps what the resource never wrote', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['theirs', '1']]));
    fixture.secret('x', { secrets: [bad('a')] }, { finalizers: [DELETE_FINALIZER] });
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ theirs: 1 });
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });
});
