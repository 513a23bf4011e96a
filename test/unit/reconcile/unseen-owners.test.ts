import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
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

  it('a path that a resource had lost before stays with the owner, whoever wrote it first', async () => {
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

  it('what was refused is written once every namespace is known', async () => {
    fixture.vault.tamper(PATH, 'v2', theirs);
    put();
    await fixture.reconcile('x', 'edit');
    fixture.view.unseenNamespaces = [];
    await fixture.reconcile('x');
    expect(fixture.values(PATH)).toEqual({ a: 'ours' });
  });
});

const PATHS = { v1: 'kv/shared', v2: 'secret/data/shared' } as const;

/** Writes or changes a resource of the contested path. */
function define(name: string, engineVersion: EngineVersion, value: string, metadata: object = {}): void {
  const secrets = [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }];
  fixture.secret(name, { path: PATHS[engineVersion], kvSettings: { engineVersion }, secrets }, metadata);
}

const older = { creationTimestamp: '2020-01-01T00:00:00Z' };
const withFinalizer = { finalizers: [DELETE_FINALIZER] };
const statusOf = (name: string) => fixture.cache.secret('default', name)?.status;

describe.each(['v1', 'v2'] as const)(
  'a path on %s that was lost to an older resource, unseen now',
  (engine) => {
    const path = PATHS[engine];
    const held = () => fixture.values(path, engine);

    beforeEach(async () => {
      fixture.view.unseenNamespaces = [];
      define('x', engine, 'ours', withFinalizer);
      await fixture.reconcile('x', 'edit');
      define('older', engine, 'of the older one', older);
      await fixture.reconcile('older', 'edit');
    });

    const lose = async (): Promise<void> => {
      await fixture.reconcile('x', 'edit');
      hideOlder();
    };

    /** The namespace of the older one cannot be listed by the next process. */
    const hideOlder = (): void => {
      fixture.delete(SECRET_KIND, 'older');
      fixture.view.unseenNamespaces = ['b'];
      fixture.restart();
    };

    afterEach(() => {
      expect(held()).toEqual({ a: 'of the older one' });
    });

    it('is not written after an edit', async () => {
      await lose();
      define('x', engine, 'edited');
      await fixture.reconcile('x', 'edit');
      expect(fixture.ready('x')?.reason).toBe('PathConflict');
    });

    it('is not written after another condition', async () => {
      await lose();
      const open = fixture.vault.open.bind(fixture.vault);
      fixture.vault.open = () => Promise.reject(new VaultError('forbidden', 'no permission'));
      await fixture.reconcile('x');
      expect(fixture.ready('x')?.reason).toBe('VaultForbidden');
      fixture.vault.open = open;
      await fixture.reconcile('x');
      expect(fixture.ready('x')?.reason).toBe('PathConflict');
    });

    it.each(['at once', 'after an edit'])('is not deleted by the finalizer %s', async (when) => {
      await lose();
      if (when === 'after an edit') define('x', engine, 'edited');
      fixture.delete(SECRET_KIND, 'x');
      await fixture.reconcile('x', 'edit');
      expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    });

    it('is not written after the loser had an invalid spec', async () => {
      fixture.secret('x', { path, kvSettings: { engineVersion: 'v3' as EngineVersion } });
      await fixture.reconcile('x', 'edit');
      expect(fixture.ready('x')?.reason).toBe('InvalidSpec');
      hideOlder();
      define('x', engine, 'mended');
      await fixture.reconcile('x', 'edit');
    });

    it('is not deleted for a resource that moved away, and could not be written since', async () => {
      const open = fixture.vault.open.bind(fixture.vault);
      fixture.vault.open = () => Promise.reject(new VaultError('forbidden', 'no permission'));
      fixture.secret('x', { path: `${path}-new`, kvSettings: { engineVersion: engine } });
      await fixture.reconcile('x', 'edit');
      fixture.vault.open = open;
      hideOlder();
      fixture.delete(SECRET_KIND, 'x');
      await fixture.reconcile('x', 'edit');
      expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    });

    it('is not written by a resource of the Go operator, whose status has no path', async () => {
      const x = fixture.cache.secret('default', 'x');
      if (x === undefined) throw new Error('x is gone');
      fixture.cache.apply({ ...x, metadata: { ...x.metadata, generation: 1 }, status: { created: true } });
      await lose();
      await fixture.reconcile('x', 'edit');
      expect(fixture.ready('x')?.reason).toBe('PathConflict');
    });
  },
);

describe.each(['v1', 'v2'] as const)('a path on %s that comes back', (engine) => {
  it.each(['equal', 'different'])('is claimed again where the value is %s', async (kind) => {
    fixture.view.unseenNamespaces = [];
    define('x', engine, 'ours', withFinalizer);
    await fixture.reconcile('x', 'edit');
    const before = statusOf('x');
    define('older', engine, kind === 'equal' ? 'ours' : 'other', older);
    await fixture.reconcile('older', 'edit');
    await fixture.reconcile('x', 'edit');
    for (const field of ['created', 'path', 'vaultVersion', 'vaultVersionCreated', 'inputsHash', 'claim']) {
      expect(statusOf('x')).not.toHaveProperty(field);
    }
    fixture.delete(SECRET_KIND, 'older');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATHS[engine], engine)).toEqual({ a: 'ours' });
    expect(statusOf('x')).toMatchObject({
      created: true,
      path: PATHS[engine],
      inputsHash: before?.inputsHash,
    });
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATHS[engine], engine)).toBeUndefined();
  });
});

describe('a path that comes back', () => {
  beforeEach(() => {
    fixture.view.unseenNamespaces = [];
  });

  const borrow = async (engine: EngineVersion): Promise<void> => {
    define('x', engine, 'ours', withFinalizer);
    await fixture.reconcile('x', 'edit');
    define('older', engine, 'other', older);
    await fixture.reconcile('older', 'edit');
    await fixture.reconcile('x', 'edit');
    fixture.delete(SECRET_KIND, 'older');
  };

  it.each(['v1', 'v2'] as const)(
    'holds what the other one left there until it is written: %s',
    async (engine) => {
      await borrow(engine);
      fixture.delete(SECRET_KIND, 'x');
      await fixture.reconcile('x', 'edit');
      expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
      expect(fixture.values(PATHS[engine], engine)).toEqual({ a: 'other' });
    },
  );

  it('is written at once on v1 where the token may not read', async () => {
    fixture.vault.writeOnly.add(PATHS.v1);
    await borrow('v1');
    expect(fixture.values(PATHS.v1, 'v1')).toEqual({ a: 'other' });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATHS.v1, 'v1')).toEqual({ a: 'ours' });
  });

  it('stays writable on v2 where the token may not read and the other one could not write', async () => {
    fixture.vault.writeOnly.add(PATHS.v2);
    await borrow('v2');
    expect(fixture.values(PATHS.v2)).toEqual({ a: 'ours' });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    define('x', 'v2', 'edited');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(PATHS.v2)).toEqual({ a: 'edited' });
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
    'the next one takes what a deleted owner left, %s',
    async (how) => {
      define('first', engine, 'first', how === 'with the finalizer' ? withFinalizer : {});
      define('next', engine, 'next');
      await fixture.reconcile('next', 'edit');
      await fixture.reconcile('first', 'edit');
      fixture.delete(SECRET_KIND, 'first');
      if (how === 'with the finalizer') {
        await fixture.reconcile('first', 'edit');
        expect(fixture.events.at(-1)?.message).toContain('goes over to default/next');
      }
      await fixture.reconcile('next', 'edit');
      expect(fixture.values(path, engine)).toEqual({ a: 'next' });
      expect(fixture.ready('next')?.reason).toBe('Synced');
    },
  );

  it('the next one takes what a finalizer left that another process could not end', async () => {
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

  it('nobody takes what a deleted owner left when another replica has led since', async () => {
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

  it('nobody takes what a deleted resource never owned', async () => {
    fixture.vault.tamper(path, engine, theirs);
    define('first', engine, 'first', withFinalizer);
    define('next', engine, 'next');
    for (const name of ['first', 'next']) await fixture.reconcile(name, 'edit');
    fixture.delete(SECRET_KIND, 'first');
    for (const name of ['first', 'next']) await fixture.reconcile(name, 'edit');
    expect(fixture.values(path, engine)).toEqual({ a: 'of the older one' });
  });

  it.each(['equal', 'another'])('the status of the Go operator, with %s value in Vault', async (kind) => {
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
  });
});
