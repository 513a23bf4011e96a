import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
  fixture.view.unseenNamespaces = ['b'];
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
  'a path on %s that was lost to an older resource in a namespace that cannot be listed now',
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

    it('is not deleted by a resource that moved away and has not been written since', async () => {
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
  it.each(['equal', 'different'])('is recorded in the status again where the value is %s', async (kind) => {
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
    'keeps the value of the other resource until it is written: %s',
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
