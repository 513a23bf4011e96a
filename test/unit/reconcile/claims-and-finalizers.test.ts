import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

let stand: ReconcileStand;

beforeEach(() => {
  stand = new ReconcileStand();
});

const item = (key: string, value: string, context = {}): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(value, context),
});
const bad = (key: string): { key: string; encryptedSecret: string } => item(key, 'x', { wrong: 'context' });
const reasons = (): string[] => stand.events.map((event) => event.reason);

describe('what a resource may claim', () => {
  it.each([
    ['a missing include', { secrets: [], includeSecrets: ['nope'] }],
    ['an item without a value', { secrets: [{ key: 'a' }] }],
    ['nothing at all', { secrets: [] }],
  ])('%s writes nothing over a foreign v1 secret and may not delete it', async (_what, spec) => {
    stand.vault.tamper(
      'kv/x',
      'v1',
      new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    );
    stand.secret(
      'x',
      { path: 'kv/x', kvSettings: { engineVersion: 'v1' }, ...spec },
      { finalizers: [DELETE_FINALIZER] },
    );
    await stand.reconcile('x');
    await stand.reconcile('x');
    expect(stand.cache.secret('default', 'x')?.status?.created).toBeUndefined();
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values('kv/x', 'v1')).toEqual({ a: 1, b: 2 });
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('does not write once the resource is gone, being deleted, or no longer the owner of its path', async () => {
    for (const meanwhile of ['gone', 'deleting', 'owned'] as const) {
      stand = new ReconcileStand();
      stand.secret('older', { path: 'secret/data/other', secrets: [] });
      const finalizers = meanwhile === 'deleting' ? { finalizers: ['example.com/other'] } : {};
      stand.secret('x', { secrets: [item('a', 'one')] }, finalizers);
      const decrypt = stand.kms.decrypt.bind(stand.kms);
      stand.kms.decrypt = (request): Promise<string> => {
        if (meanwhile === 'owned') stand.secret('older', { path: 'secret/data/x', secrets: [] });
        else stand.delete(SECRET_KIND, 'x');
        return decrypt(request);
      };
      await stand.reconcile('x', 'edit');
      expect(stand.values('secret/data/x')).toBeUndefined();
    }
  });

  it('keeps to the version that it wrote unread, also when the status patch was lost', async () => {
    stand.vault.writeOnly.add('secret/data/x');
    stand.secret('x', { secrets: [item('a', 'one')] });
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    stand.apiDown = false;
    stand.vault.onChange = (): void => undefined;
    await stand.reconcile('x');
    stand.secret('x', { secrets: [item('a', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')?.reason).toBe('Synced');
    expect(stand.values('secret/data/x')).toEqual({ a: 'two' });
  });

  it('tells of a write whose status patch was lost', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x');
    stand.apiDown = false;
    await stand.reconcile('x');
    expect(stand.cache.secret('default', 'x')?.status?.lastWriteTime).toBeDefined();
  });

  it('says all that is wrong with a stale pin again and again', async () => {
    const kvSettings = { engineVersion: 'v2' as const, casIndex: 0 };
    stand.secret('x', { kvSettings, secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.secret('x', { kvSettings, secrets: [item('a', 'two'), bad('b')] });
    await stand.reconcile('x', 'edit');
    const before = stand.cache.secret('default', 'x')?.status;
    expect(before).toMatchObject({ keys: '0/2', failedKeys: [{ key: 'b', reason: 'InvalidCiphertext' }] });
    const { statusPatches } = stand;
    await stand.reconcile('x');
    expect(stand.statusPatches).toBe(statusPatches);
  });

  it('takes null for a list or context that is absent', async () => {
    stand.partial('p', { secrets: null as never, secretContext: null as never });
    stand.secret('x', { secrets: [item('a', 'one')], secretContext: null as never, includeSecrets: ['p'] });
    await stand.reconcile('x');
    expect(stand.ready('x')?.reason).toBe('Synced');
  });
});

describe('FinalizerHandler', () => {
  const deleting = async (metadata: object = { finalizers: [DELETE_FINALIZER] }): Promise<void> => {
    stand.secret('x', { secrets: [item('a', 'one')] }, metadata);
    await stand.reconcile('x');
    stand.delete(SECRET_KIND, 'x');
  };

  it('deletes what the resource wrote and lets it go', async () => {
    await deleting();
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toBeUndefined();
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(reasons()).toContain('SecretDeleted');
  });

  it('leaves foreign finalizers and, without its own, Vault alone', async () => {
    await deleting({ finalizers: ['example.com/other'] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one' });
    expect(stand.find(SECRET_KIND, 'x')?.metadata.finalizers).toEqual(['example.com/other']);
  });

  it('stays while Vault is down, says why, and finishes later', async () => {
    await deleting();
    stand.vault.down = true;
    expect((await stand.reconcile('x', 'edit')).result).toBe('error');
    expect(stand.ready('x')?.reason).toBe('Deleting');
    expect(reasons()).toContain('DeletionFailed');
    stand.vault.down = false;
    await stand.reconcile('x');
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('hands the value over to another resource with the same path', async () => {
    await deleting();
    stand.secret('heir', { path: 'secret/data/x', secrets: [item('a', 'one')] });
    await stand.reconcile('x', 'edit');
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(stand.values('secret/data/x')).toEqual({ a: 'one' });
    expect(reasons()).toContain('SecretKept');
  });

  it('keeps what the resource never wrote', async () => {
    stand.vault.tamper('secret/data/x', 'v2', new Map([['theirs', '1']]));
    stand.secret('x', { secrets: [bad('a')] }, { finalizers: [DELETE_FINALIZER] });
    await stand.reconcile('x');
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ theirs: 1 });
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
  });
});
