import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

const PATH = 'secret/data/shared';
const theirs = new Map([['a', '"of the older one"']]);

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
  fixture.view.unseenNamespaces = ['b'];
});

function put(value = 'ours'): void {
  const secrets = [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }];
  fixture.secret('x', { path: PATH, secrets }, { finalizers: [DELETE_FINALIZER] });
}

const restart = (): void => {
  fixture.restart();
};

const PATHS = { v1: 'kv/shared', v2: 'secret/data/shared' } as const;

/** Writes or changes a resource of the contested path. */
function define(name: string, engineVersion: EngineVersion, value: string, metadata: object = {}): void {
  const secrets = [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }];
  fixture.secret(name, { path: PATHS[engineVersion], kvSettings: { engineVersion }, secrets }, metadata);
}
const withFinalizer = { finalizers: [DELETE_FINALIZER] };
const statusOf = (name: string) => fixture.cache.secret('default', name)?.status;

describe('while a watched namespace cannot be listed', () => {
  it.each(['another value', 'the same value'])(
    'a resource does not take a path that holds %s',
    async (held) => {
      fixture.vault.tamper(PATH, 'v2', held === 'the same value' ? new Map([['a', '"ours"']]) : theirs);
      const before = fixture.values(PATH);
      put();
      expect(await fixture.reconcile('x', 'edit')).toMatchObject({ result: 'blocked' });
      expect(fixture.ready('x')).toMatchObject({
        reason: 'PathConflict',
        message: expect.stringContaining(' b,'),
      });
      expect(fixture.cache.secret('default', 'x')?.status?.created).toBeUndefined();
      expect(fixture.kms.asked).toBe(0);
      fixture.delete(SECRET_KIND, 'x');
      await fixture.reconcile('x', 'edit');
      expect(fixture.values(PATH)).toEqual(before);
    },
  );

  it('a resource does not take unread a path that it may not read', async () => {
    fixture.vault.writeOnly.add(PATH);
    put();
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATH)).toBeUndefined();
    expect(fixture.ready('x')?.reason).toBe('PathConflict');
  });

  it('a resource takes a free path, and keeps it', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATH)).toEqual({ a: 'ours' });
    restart();
    put('edited');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATH)).toEqual({ a: 'edited' });
  });

  it('a path that a resource had lost stays with its owner, whoever wrote it first', async () => {
    fixture.view.unseenNamespaces = [];
    put();
    await fixture.reconcile('x', 'edit');
    const older = { creationTimestamp: '2020-01-01T00:00:00Z' };
    fixture.secret('older', { path: PATH, secrets: [] }, older);
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('PathConflict');
    fixture.vault.tamper(PATH, 'v2', theirs);
    fixture.delete(SECRET_KIND, 'older');
    fixture.view.unseenNamespaces = ['b'];
    restart();
    await fixture.reconcile('x');
    expect(fixture.values(PATH)).toEqual({ a: 'of the older one' });
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATH)).toEqual({ a: 'of the older one' });
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('a refused resource is written once every namespace is listed', async () => {
    fixture.vault.tamper(PATH, 'v2', theirs);
    put();
    await fixture.reconcile('x', 'edit');
    fixture.view.unseenNamespaces = [];
    await fixture.reconcile('x');
    expect(fixture.values(PATH)).toEqual({ a: 'ours' });
  });
});

describe.each(['v1', 'v2'] as const)('on %s, while a watched namespace cannot be listed', (engine) => {
  const path = PATHS[engine];

  it.each(['at once', 'after a restart'])('a resource takes a path that became free, %s', async (when) => {
    fixture.vault.tamper(path, engine, theirs);
    define('x', engine, 'ours');
    await fixture.reconcile('x', 'edit');
    fixture.vault.lose(path, 'everything');
    if (when === 'after a restart') restart();
    await fixture.reconcile('x');
    expect(fixture.values(path, engine)).toEqual({ a: 'ours' });
  });

  it.each(['with the finalizer', 'without it'])(
    'the next resource takes what a deleted owner left, %s',
    async (how) => {
      define('first', engine, 'first', how === 'with the finalizer' ? withFinalizer : {});
      define('next', engine, 'next');
      await fixture.reconcile('next', 'edit');
      await fixture.reconcile('first', 'edit');
      fixture.delete(SECRET_KIND, 'first');
      if (how === 'with the finalizer') {
        await fixture.reconcile('first', 'edit');
        expect(fixture.events.at(-1)?.message).toContain('default/next has the same path');
      }
      await fixture.reconcile('next', 'edit');
      expect(fixture.values(path, engine)).toEqual({ a: 'next' });
      expect(fixture.ready('next')?.reason).toBe('Synced');
    },
  );

  it('the next resource takes the path when the finalizer is finished by another process', async () => {
    define('first', engine, 'first', withFinalizer);
    await fixture.reconcile('first', 'edit');
    define('next', engine, 'next');
    fixture.delete(SECRET_KIND, 'first');
    restart();
    await fixture.reconcile('next', 'edit');
    expect(fixture.ready('next')?.reason).toBe('PathConflict');
    await fixture.reconcile('first', 'edit');
    await fixture.reconcile('next', 'edit');
    expect(fixture.values(path, engine)).toEqual({ a: 'next' });
  });

  it('no resource takes what a deleted owner left when another replica has led since', async () => {
    define('first', engine, 'first');
    await fixture.reconcile('first', 'edit');
    define('next', engine, 'next');
    await fixture.reconcile('next', 'edit');
    fixture.lead(fixture.replica());
    fixture.delete(SECRET_KIND, 'first');
    fixture.vault.tamper(path, engine, theirs);
    await fixture.reconcile('next', 'edit');
    expect(fixture.values(path, engine)).toEqual({ a: 'of the older one' });
  });

  it('no resource takes what a deleted resource never owned', async () => {
    fixture.vault.tamper(path, engine, theirs);
    define('first', engine, 'first', withFinalizer);
    define('next', engine, 'next');
    for (const name of ['first', 'next']) await fixture.reconcile(name, 'edit');
    fixture.delete(SECRET_KIND, 'first');
    for (const name of ['first', 'next']) await fixture.reconcile(name, 'edit');
    expect(fixture.values(path, engine)).toEqual({ a: 'of the older one' });
  });

  it.each(['equal', 'another'])(
    'a status of the Go operator counts only where Vault has an equal value: %s',
    async (kind) => {
      fixture.vault.tamper(path, engine, kind === 'equal' ? new Map([['a', '"ours"']]) : theirs);
      const { writes } = fixture.vault;
      define('x', engine, 'ours', { generation: 5 });
      const x = fixture.cache.secret('default', 'x');
      if (x === undefined) throw new Error('x is gone');
      fixture.cache.apply({ ...x, status: { created: true } });
      await fixture.reconcile('x');
      expect(fixture.ready('x')?.reason).toBe(kind === 'equal' ? 'Synced' : 'PathConflict');
      expect(statusOf('x')?.path).toBe(kind === 'equal' ? path : undefined);
      expect(fixture.vault.writes).toBe(writes);
    },
  );
});
