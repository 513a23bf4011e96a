import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

const PATH = 'secret/data/shared';
const theirs = new Map([['a', '"of the older one"']]);

let stand: ReconcileStand;

beforeEach(() => {
  stand = new ReconcileStand();
  stand.view.unseenNamespaces = ['b'];
});

function put(value = 'ours'): void {
  const secrets = [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }];
  stand.secret('x', { path: PATH, secrets }, { finalizers: [DELETE_FINALIZER] });
}

const restart = (): void => {
  stand.restart();
};

describe('while a watched namespace cannot be listed', () => {
  it.each(['another value', 'the same value'])(
    'a resource does not take a path that holds %s',
    async (held) => {
      stand.vault.tamper(PATH, 'v2', held === 'the same value' ? new Map([['a', '"ours"']]) : theirs);
      const before = stand.values(PATH);
      put();
      expect(await stand.reconcile('x', 'edit')).toMatchObject({ result: 'blocked' });
      expect(stand.ready('x')).toMatchObject({
        reason: 'PathConflict',
        message: expect.stringContaining(' b,'),
      });
      expect(stand.cache.secret('default', 'x')?.status?.created).toBeUndefined();
      expect(stand.kms.asked).toBe(0);
      stand.delete(SECRET_KIND, 'x');
      await stand.reconcile('x', 'edit');
      expect(stand.values(PATH)).toEqual(before);
    },
  );

  it('a resource does not take unread a path that it may not read', async () => {
    stand.vault.writeOnly.add(PATH);
    put();
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATH)).toBeUndefined();
    expect(stand.ready('x')?.reason).toBe('PathConflict');
  });

  it('a resource takes a free path, and keeps it', async () => {
    put();
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATH)).toEqual({ a: 'ours' });
    restart();
    put('edited');
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATH)).toEqual({ a: 'edited' });
  });

  it('a path that a resource had lost before stays with the owner, whoever wrote it first', async () => {
    stand.view.unseenNamespaces = [];
    put();
    await stand.reconcile('x', 'edit');
    const older = { creationTimestamp: '2020-01-01T00:00:00Z' };
    stand.secret('older', { path: PATH, secrets: [] }, older);
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')?.reason).toBe('PathConflict');
    stand.vault.tamper(PATH, 'v2', theirs);
    stand.delete(SECRET_KIND, 'older');
    stand.view.unseenNamespaces = ['b'];
    restart();
    await stand.reconcile('x');
    expect(stand.values(PATH)).toEqual({ a: 'of the older one' });
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATH)).toEqual({ a: 'of the older one' });
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('what was refused is written once every namespace is known', async () => {
    stand.vault.tamper(PATH, 'v2', theirs);
    put();
    await stand.reconcile('x', 'edit');
    stand.view.unseenNamespaces = [];
    await stand.reconcile('x');
    expect(stand.values(PATH)).toEqual({ a: 'ours' });
  });
});
