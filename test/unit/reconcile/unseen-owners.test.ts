import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
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

const PATHS = { v1: 'kv/shared', v2: 'secret/data/shared' } as const;

/** Writes or changes a resource of the contested path. */
function define(name: string, engineVersion: EngineVersion, value: string, metadata: object = {}): void {
  const secrets = [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }];
  stand.secret(name, { path: PATHS[engineVersion], kvSettings: { engineVersion }, secrets }, metadata);
}

const older = { creationTimestamp: '2020-01-01T00:00:00Z' };
const withFinalizer = { finalizers: [DELETE_FINALIZER] };
const statusOf = (name: string) => stand.cache.secret('default', name)?.status;

describe.each(['v1', 'v2'] as const)(
  'a path on %s that was lost to an older resource, unseen now',
  (engine) => {
    const path = PATHS[engine];
    const held = () => stand.values(path, engine);

    beforeEach(async () => {
      stand.view.unseenNamespaces = [];
      define('x', engine, 'ours', withFinalizer);
      await stand.reconcile('x', 'edit');
      define('older', engine, 'of the older one', older);
      await stand.reconcile('older', 'edit');
    });

    const lose = async (): Promise<void> => {
      await stand.reconcile('x', 'edit');
      hideOlder();
    };

    /** The namespace of the older one cannot be listed by the next process. */
    const hideOlder = (): void => {
      stand.delete(SECRET_KIND, 'older');
      stand.view.unseenNamespaces = ['b'];
      stand.restart();
    };

    afterEach(() => {
      expect(held()).toEqual({ a: 'of the older one' });
    });

    it('is not written after an edit', async () => {
      await lose();
      define('x', engine, 'edited');
      await stand.reconcile('x', 'edit');
      expect(stand.ready('x')?.reason).toBe('PathConflict');
    });

    it('is not written after another condition', async () => {
      await lose();
      const open = stand.vault.open.bind(stand.vault);
      stand.vault.open = () => Promise.reject(new VaultError('forbidden', 'no permission'));
      await stand.reconcile('x');
      expect(stand.ready('x')?.reason).toBe('VaultForbidden');
      stand.vault.open = open;
      await stand.reconcile('x');
      expect(stand.ready('x')?.reason).toBe('PathConflict');
    });

    it.each(['at once', 'after an edit'])('is not deleted by the finalizer %s', async (when) => {
      await lose();
      if (when === 'after an edit') define('x', engine, 'edited');
      stand.delete(SECRET_KIND, 'x');
      await stand.reconcile('x', 'edit');
      expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
    });

    it('is not written after the loser had an invalid spec', async () => {
      stand.secret('x', { path, kvSettings: { engineVersion: 'v3' as EngineVersion } });
      await stand.reconcile('x', 'edit');
      expect(stand.ready('x')?.reason).toBe('InvalidSpec');
      hideOlder();
      define('x', engine, 'mended');
      await stand.reconcile('x', 'edit');
    });

    it('is not deleted for a resource that moved away, and could not be written since', async () => {
      const open = stand.vault.open.bind(stand.vault);
      stand.vault.open = () => Promise.reject(new VaultError('forbidden', 'no permission'));
      stand.secret('x', { path: `${path}-new`, kvSettings: { engineVersion: engine } });
      await stand.reconcile('x', 'edit');
      stand.vault.open = open;
      hideOlder();
      stand.delete(SECRET_KIND, 'x');
      await stand.reconcile('x', 'edit');
      expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
    });

    it('is not written by a resource of the Go operator, whose status has no path', async () => {
      const x = stand.cache.secret('default', 'x');
      if (x === undefined) throw new Error('x is gone');
      stand.cache.apply({ ...x, metadata: { ...x.metadata, generation: 1 }, status: { created: true } });
      await lose();
      await stand.reconcile('x', 'edit');
      expect(stand.ready('x')?.reason).toBe('PathConflict');
    });
  },
);

describe.each(['v1', 'v2'] as const)('a path on %s that comes back', (engine) => {
  it.each(['equal', 'different'])('is claimed again where the value is %s', async (kind) => {
    stand.view.unseenNamespaces = [];
    define('x', engine, 'ours', withFinalizer);
    await stand.reconcile('x', 'edit');
    const before = statusOf('x');
    define('older', engine, kind === 'equal' ? 'ours' : 'other', older);
    await stand.reconcile('older', 'edit');
    await stand.reconcile('x', 'edit');
    for (const field of ['created', 'path', 'vaultVersion', 'vaultVersionCreated', 'inputsHash', 'claim']) {
      expect(statusOf('x')).not.toHaveProperty(field);
    }
    stand.delete(SECRET_KIND, 'older');
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATHS[engine], engine)).toEqual({ a: 'ours' });
    expect(statusOf('x')).toMatchObject({
      created: true,
      path: PATHS[engine],
      inputsHash: before?.inputsHash,
    });
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATHS[engine], engine)).toBeUndefined();
  });
});

describe('a path that comes back', () => {
  beforeEach(() => {
    stand.view.unseenNamespaces = [];
  });

  const borrow = async (engine: EngineVersion): Promise<void> => {
    define('x', engine, 'ours', withFinalizer);
    await stand.reconcile('x', 'edit');
    define('older', engine, 'other', older);
    await stand.reconcile('older', 'edit');
    await stand.reconcile('x', 'edit');
    stand.delete(SECRET_KIND, 'older');
  };

  it.each(['v1', 'v2'] as const)(
    'holds what the other one left there until it is written: %s',
    async (engine) => {
      await borrow(engine);
      stand.delete(SECRET_KIND, 'x');
      await stand.reconcile('x', 'edit');
      expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
      expect(stand.values(PATHS[engine], engine)).toEqual({ a: 'other' });
    },
  );

  it('is written at once on v1 where the token may not read', async () => {
    stand.vault.writeOnly.add(PATHS.v1);
    await borrow('v1');
    expect(stand.values(PATHS.v1, 'v1')).toEqual({ a: 'other' });
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATHS.v1, 'v1')).toEqual({ a: 'ours' });
  });

  it('stays writable on v2 where the token may not read and the other one could not write', async () => {
    stand.vault.writeOnly.add(PATHS.v2);
    await borrow('v2');
    expect(stand.values(PATHS.v2)).toEqual({ a: 'ours' });
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')?.reason).toBe('Synced');
    define('x', 'v2', 'edited');
    await stand.reconcile('x', 'edit');
    expect(stand.values(PATHS.v2)).toEqual({ a: 'edited' });
  });
});

describe.each(['v1', 'v2'] as const)('on %s, while a watched namespace cannot be listed', (engine) => {
  const path = PATHS[engine];

  it.each(['at once', 'after a restart'])('a resource takes a path that became free, %s', async (when) => {
    stand.vault.tamper(path, engine, theirs);
    define('x', engine, 'ours');
    await stand.reconcile('x', 'edit');
    stand.vault.lose(path, 'everything');
    if (when === 'after a restart') restart();
    await stand.reconcile('x');
    expect(stand.values(path, engine)).toEqual({ a: 'ours' });
  });

  it.each(['with the finalizer', 'without it'])(
    'the next one takes what a deleted owner left, %s',
    async (how) => {
      define('first', engine, 'first', how === 'with the finalizer' ? withFinalizer : {});
      define('next', engine, 'next');
      await stand.reconcile('next', 'edit');
      await stand.reconcile('first', 'edit');
      stand.delete(SECRET_KIND, 'first');
      if (how === 'with the finalizer') {
        await stand.reconcile('first', 'edit');
        expect(stand.events.at(-1)?.message).toContain('goes over to default/next');
      }
      await stand.reconcile('next', 'edit');
      expect(stand.values(path, engine)).toEqual({ a: 'next' });
      expect(stand.ready('next')?.reason).toBe('Synced');
    },
  );

  it('the next one takes what a finalizer left that another process could not end', async () => {
    define('first', engine, 'first', withFinalizer);
    await stand.reconcile('first', 'edit');
    define('next', engine, 'next');
    stand.delete(SECRET_KIND, 'first');
    restart();
    await stand.reconcile('next', 'edit');
    expect(stand.ready('next')?.reason).toBe('PathConflict');
    await stand.reconcile('first', 'edit');
    await stand.reconcile('next', 'edit');
    expect(stand.values(path, engine)).toEqual({ a: 'next' });
  });

  it('nobody takes what a deleted owner left when another replica has led since', async () => {
    define('first', engine, 'first');
    await stand.reconcile('first', 'edit');
    define('next', engine, 'next');
    await stand.reconcile('next', 'edit');
    stand.lead(stand.replica());
    stand.delete(SECRET_KIND, 'first');
    stand.vault.tamper(path, engine, theirs);
    await stand.reconcile('next', 'edit');
    expect(stand.values(path, engine)).toEqual({ a: 'of the older one' });
  });

  it('nobody takes what a deleted resource never owned', async () => {
    stand.vault.tamper(path, engine, theirs);
    define('first', engine, 'first', withFinalizer);
    define('next', engine, 'next');
    for (const name of ['first', 'next']) await stand.reconcile(name, 'edit');
    stand.delete(SECRET_KIND, 'first');
    for (const name of ['first', 'next']) await stand.reconcile(name, 'edit');
    expect(stand.values(path, engine)).toEqual({ a: 'of the older one' });
  });

  it.each(['equal', 'another'])('the status of the Go operator, with %s value in Vault', async (kind) => {
    stand.vault.tamper(path, engine, kind === 'equal' ? new Map([['a', '"ours"']]) : theirs);
    const { writes } = stand.vault;
    define('x', engine, 'ours', { generation: 5 });
    const x = stand.cache.secret('default', 'x');
    if (x === undefined) throw new Error('x is gone');
    stand.cache.apply({ ...x, status: { created: true } });
    await stand.reconcile('x');
    expect(stand.ready('x')?.reason).toBe(kind === 'equal' ? 'Synced' : 'PathConflict');
    expect(statusOf('x')?.path).toBe(kind === 'equal' ? path : undefined);
    expect(stand.vault.writes).toBe(writes);
  });
});
