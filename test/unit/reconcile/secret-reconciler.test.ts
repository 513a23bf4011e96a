import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { KmsError } from '../../../src/kms/kms-error.js';
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
const ENGINES: EngineVersion[] = ['v1', 'v2'];
const pathFor = (engineVersion: EngineVersion): string => (engineVersion === 'v1' ? 'kv/x' : 'secret/data/x');
const reasons = (): string[] => stand.events.map((event) => event.reason);

describe('SecretReconciler', () => {
  it.each(ENGINES)(
    'writes once on %s, and a resync costs one read and nothing else',
    async (engineVersion) => {
      stand.secret('x', {
        path: pathFor(engineVersion),
        kvSettings: { engineVersion },
        secrets: [item('a', 'one')],
      });
      await stand.reconcile('x');
      expect(stand.values(pathFor(engineVersion), engineVersion)).toEqual({ a: 'one' });
      expect(reasons()).toEqual(['SecretCreated']);
      const { reads, writes } = stand.vault;
      const { statusPatches } = stand;
      const { asked } = stand.kms;
      await stand.reconcile('x');
      expect([stand.vault.reads - reads, stand.vault.writes - writes]).toEqual([1, 0]);
      expect([stand.statusPatches - statusPatches, stand.kms.asked - asked]).toEqual([0, 0]);
    },
  );

  it.each(ENGINES)('puts a foreign change right on %s and says so', async (engineVersion) => {
    const path = pathFor(engineVersion);
    stand.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.vault.tamper(
      path,
      engineVersion,
      new Map([
        ['a', '"changed"'],
        ['b', '"added"'],
      ]),
    );
    await stand.reconcile('x');
    expect(stand.values(path, engineVersion)).toEqual({ a: 'one' });
    expect(reasons()).toEqual(['SecretCreated', 'DriftRepaired']);
  });

  it.each(ENGINES)(
    'keeps what Vault has for a key that fails on %s, byte for byte',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      stand.vault.tamper(
        path,
        engineVersion,
        new Map([
          ['bad', '12345678901234567890'],
          ['gone', '1'],
        ]),
      );
      stand.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one'), bad('bad')] });
      await stand.reconcile('x');
      expect([...(stand.vault.peek(path, engineVersion) ?? [])].sort()).toEqual([
        ['a', '"one"'],
        ['bad', '12345678901234567890'],
      ]);
      expect(stand.ready('x')?.reason).toBe('DecryptionFailed');
    },
  );

  it('keeps on v1 what changed in Vault during a long decryption', async () => {
    const path = pathFor('v1');
    stand.vault.tamper(path, 'v1', new Map([['bad', '"old"']]));
    stand.secret('x', { path, kvSettings: { engineVersion: 'v1' }, secrets: [item('a', 'one'), bad('bad')] });
    stand.kms.onRequest = () => {
      stand.now += 5_000;
      stand.vault.tamper(path, 'v1', new Map([['bad', '"new"']]));
    };
    await stand.reconcile('x');
    expect([...(stand.vault.peek(path, 'v1') ?? [])].sort()).toEqual([
      ['a', '"one"'],
      ['bad', '"new"'],
    ]);
  });

  it('does not ask KMS again for what it refuses for good, until the input changes', async () => {
    stand.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await stand.reconcile('x');
    const { asked } = stand.kms;
    await stand.reconcile('x');
    expect(stand.kms.asked).toBe(asked);
    stand.secret('x', { secrets: [item('a', 'one'), item('b', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it('asks again at every resync, for the denied key alone', async () => {
    stand.kms.denied.add('secret');
    stand.secret('x', { secrets: [item('a', 'one'), item('d', 'secret')] });
    await stand.reconcile('x');
    const { asked } = stand.kms;
    await stand.reconcile('x');
    expect(stand.kms.asked).toBe(asked + 1);
    stand.kms.denied.clear();
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one', d: 'secret' });
    expect(stand.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
  });

  it('writes nothing while KMS is down, and flips only what has a pending change', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.restart();
    stand.kms.down = true;
    stand.vault.tamper('secret/data/x', 'v2', new Map([['a', '"changed"']]));
    const { writes } = stand.vault;
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    expect(stand.ready('x')?.status).toBe('True');
    stand.secret('x', { secrets: [item('a', 'two'), item('b', 'new')] });
    expect(await stand.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(stand.ready('x')?.reason).toBe('KmsUnavailable');
    expect(stand.vault.writes).toBe(writes);
  });

  it('takes a pending change back when it is reverted during the outage', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.vault.down = true;
    stand.secret('x', { secrets: [item('a', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')?.reason).toBe('VaultUnavailable');
    stand.secret('x', { secrets: [item('a', 'one')] });
    expect(await stand.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(stand.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(stand.cache.secret('default', 'x')?.status?.keys).toBe('1/1');
  });

  it('writes nothing when nothing of what is desired could be decrypted', async () => {
    stand.vault.tamper('secret/data/x', 'v2', new Map([['other', '"kept"']]));
    stand.secret('x', { secrets: [bad('a')] });
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toEqual({ other: 'kept' });
    expect(stand.find(SECRET_KIND, 'x')?.status?.created).toBeUndefined();
  });

  it('says at first contact which version gave way', async () => {
    stand.vault.tamper('secret/data/x', 'v2', new Map([['theirs', '1']]));
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    expect(reasons()).toEqual(['ExistingValueReplaced', 'SecretCreated']);
    expect(stand.events[0]?.message).toContain('version 1');
  });

  it('after a restart asks KMS nothing for the version that the status vouches for', async () => {
    stand.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await stand.reconcile('x');
    stand.restart();
    const { asked } = stand.kms;
    const { writes } = stand.vault;
    await stand.reconcile('x');
    // Only the key that failed is tried again.
    expect(stand.kms.asked).toBe(asked + 1);
    expect(stand.vault.writes).toBe(writes);
  });

  it('notices a secret that was re-created up to the same version number', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.restart();
    stand.vault.lose('secret/data/x', 'everything');
    stand.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('decides again when somebody writes in between', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    let once = true;
    stand.vault.beforeWrite = (): void => {
      if (once) stand.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
      once = false;
    };
    stand.secret('x', { secrets: [item('a', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'two' });
    expect(stand.vault.v2.get('secret/data/x')?.versions).toHaveLength(3);
  });

  it('writes an empty set on v2, and deletes on v1 only what it wrote', async () => {
    stand.secret('two', { secrets: [] });
    await stand.reconcile('two');
    expect(stand.values('secret/data/two')).toEqual({});
    stand.vault.tamper('kv/theirs', 'v1', new Map([['a', '1']]));
    stand.secret('theirs', { path: 'kv/theirs', kvSettings: { engineVersion: 'v1' }, secrets: [] });
    await stand.reconcile('theirs');
    expect(stand.values('kv/theirs', 'v1')).toEqual({ a: 1 });
    stand.secret('ours', {
      path: 'kv/ours',
      kvSettings: { engineVersion: 'v1' },
      secrets: [item('a', 'one')],
    });
    await stand.reconcile('ours');
    stand.secret('ours', { path: 'kv/ours', kvSettings: { engineVersion: 'v1' }, secrets: [] });
    await stand.reconcile('ours', 'edit');
    expect(stand.values('kv/ours', 'v1')).toBeUndefined();
  });

  it('does not use up a pinned version for an incomplete secret', async () => {
    stand.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
      includeSecrets: ['missing'],
    });
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toBeUndefined();
    expect(stand.ready('x')?.reason).toBe('IncludeNotFound');
    stand.partial('missing', { secrets: [item('b', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it.each([
    ['an empty path', 0, undefined],
    ['the version that the pin names', 1, new Map([['a', '"before"']])],
  ])('asks KMS once while an include of a pinned resource is missing at %s', async (_, casIndex, before) => {
    if (before !== undefined) stand.vault.tamper('secret/data/x', 'v2', before);
    stand.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex },
      secrets: [item('a', 'one'), bad('b')],
      includeSecrets: ['missing'],
    });
    await stand.reconcile('x');
    const { asked } = stand.kms;
    await stand.reconcile('x');
    expect(stand.kms.asked).toBe(asked);
    expect(stand.ready('x')?.reason).toBe('IncludeNotFound');
    stand.partial('missing', { secrets: [item('c', 'three')] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one', c: 'three' });
  });

  it('asks KMS again for a pinned resource when an administrator may have mended the key', async () => {
    stand.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
    });
    stand.kms.denied.add('one');
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toBeUndefined();
    stand.kms.denied.clear();
    await stand.reconcile('x');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('finds a stale pin stale again without asking KMS', async () => {
    stand.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'two')] });
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')).toMatchObject({ reason: 'CasIndexStale' });
    const { asked } = stand.kms;
    await stand.reconcile('x');
    expect(stand.kms.asked).toBe(asked);
  });

  it('writes unread where the token may not read: complete secrets only, on v2 once per change', async () => {
    stand.vault.writeOnly.add('secret/data/x');
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    await stand.reconcile('x');
    stand.restart();
    await stand.reconcile('x');
    expect(stand.vault.writes).toBe(1);
    stand.secret('x', { secrets: [item('a', 'two'), bad('b')] });
    await stand.reconcile('x', 'edit');
    expect(stand.vault.writes).toBe(1);
    expect(stand.ready('x')?.reason).toBe('VaultForbidden');
  });

  it.each(ENGINES)('does not write unread on %s while permissions may still come', async (engineVersion) => {
    const path = pathFor(engineVersion);
    stand.vault.tamper(path, engineVersion, new Map([['b', '"before"']]));
    stand.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one'), bad('b')] });
    stand.vault.notReplicated = true;
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    expect(stand.vault.writes).toBe(0);
    stand.vault.notReplicated = false;
    await stand.reconcile('x');
    expect(stand.values(path, engineVersion)).toEqual({ a: 'one', b: 'before' });
  });

  it('lets the older of two resources have the path, and names each to the other', async () => {
    stand.secret('older', { path: 'secret/data/same', secrets: [item('a', 'older')] });
    stand.secret('younger', { path: '/secret//data/same/', secrets: [item('a', 'younger')] });
    await stand.reconcile('younger');
    await stand.reconcile('older');
    expect(stand.values('secret/data/same')).toEqual({ a: 'older' });
    expect(stand.ready('younger')).toMatchObject({ reason: 'PathConflict' });
    expect(stand.ready('younger')?.message).toContain('default/older');
    expect(
      stand.events.filter((event) => event.reason === 'PathConflict').map((event) => event.name),
    ).toEqual(['younger', 'older']);
    stand.delete(SECRET_KIND, 'older');
    await stand.reconcile('younger');
    expect(stand.values('secret/data/same')).toEqual({ a: 'younger' });
  });

  it('leaves the old value when the path changes, and names it', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.secret('x', { path: 'secret/data/new', secrets: [item('a', 'one')] });
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'one' });
    expect(stand.values('secret/data/new')).toEqual({ a: 'one' });
    expect(stand.events.find((event) => event.reason === 'PathChanged')?.message).toContain('secret/data/x');
  });

  it('changes lastTransitionTime only with the status', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    const first = stand.cache.secret('default', 'x')?.status?.conditions?.[0]?.lastTransitionTime;
    stand.now += 60_000;
    stand.secret('x', { secrets: [item('a', 'two')] });
    await stand.reconcile('x', 'edit');
    const condition = stand.cache.secret('default', 'x')?.status?.conditions?.[0];
    expect(condition?.lastTransitionTime).toBe(first);
    expect(condition?.observedGeneration).toBe(2);
  });

  it('lists at most 50 failed keys, says that it cut the list, and trusts it no more', async () => {
    const many = Array.from({ length: 60 }, (_, index) => bad(`key-${String(index).padStart(2, '0')}`));
    stand.secret('x', { secrets: [item('a', 'one'), ...many] });
    await stand.reconcile('x');
    const status = stand.cache.secret('default', 'x')?.status;
    expect(status?.failedKeys).toHaveLength(50);
    expect(status).toMatchObject({ failedKeysCut: true, keys: '1/61' });
    stand.restart();
    const { asked } = stand.kms;
    await stand.reconcile('x');
    expect(stand.kms.asked).toBe(asked + 61);
  });

  it.each(ENGINES)(
    'does not bring the keys of a partial back on %s while it still shows after its finalizer was removed',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      const finalizers = [DELETE_FINALIZER, 'example.com/other'];
      stand.partial('shared', { secrets: [item('b', 'two')] }, { finalizers });
      const spec = { path, kvSettings: { engineVersion }, includeSecrets: ['shared'] };
      stand.secret('x', { ...spec, secrets: [item('a', 'one')] });
      await stand.reconcile('x');
      stand.delete(PARTIAL_KIND, 'shared');
      await stand.reconcile('x', 'edit');
      await stand.reconcile('shared', 'edit', PARTIAL_KIND);
      expect(stand.cache.partial('default', 'shared')?.metadata.finalizers).toEqual(['example.com/other']);
      stand.vault.tamper(path, engineVersion, new Map([['theirs', '1']]));
      await stand.reconcile('x');
      expect(stand.values(path, engineVersion)).toEqual({ a: 'one', theirs: 1 });
      expect(stand.ready('x')?.reason).toBe('IncludeNotFound');
    },
  );

  it('takes a partial that cannot be read for a retry, never for a missing one', async () => {
    stand.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    stand.apiDown = true;
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    expect(stand.vault.writes).toBe(0);
  });

  it('says of an unforeseen error only its kind', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    stand.vault.open = () => Promise.reject(new TypeError('canary-in-a-message'));
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    expect(JSON.stringify(stand.logger.entries)).not.toContain('canary');
    expect(JSON.stringify(stand.logger.entries)).toContain('TypeError');
  });

  it('says nothing of a resource that was given up because the operator stops', async () => {
    stand.secret('x', { secrets: [item('a', 'one')] });
    stand.kms.decrypt = () =>
      Promise.reject(new KmsError('transient', 'Abandoned', 'the request was given up'));
    expect(await stand.reconcile('x')).toEqual({ result: 'abandoned' });
    expect(stand.ready('x')).toBeUndefined();
    expect(stand.events).toEqual([]);
    expect(stand.logger.entries).toEqual([]);
  });
});
