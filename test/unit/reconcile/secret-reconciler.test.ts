import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const item = (key: string, value: string, context = {}): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(value, context),
});
const bad = (key: string): { key: string; encryptedSecret: string } => item(key, 'x', { wrong: 'context' });
const ENGINES: EngineVersion[] = ['v1', 'v2'];
const pathFor = (engineVersion: EngineVersion): string => (engineVersion === 'v1' ? 'kv/x' : 'secret/data/x');
const reasons = (): string[] => fixture.events.map((event) => event.reason);

describe('SecretReconciler', () => {
  it.each(ENGINES)(
    'writes once on %s, and a resync costs one read and nothing else',
    async (engineVersion) => {
      fixture.secret('x', {
        path: pathFor(engineVersion),
        kvSettings: { engineVersion },
        secrets: [item('a', 'one')],
      });
      await fixture.reconcile('x');
      expect(fixture.values(pathFor(engineVersion), engineVersion)).toEqual({ a: 'one' });
      expect(reasons()).toEqual(['SecretCreated']);
      const { reads, writes } = fixture.vault;
      const { statusPatches } = fixture;
      const { asked } = fixture.kms;
      await fixture.reconcile('x');
      expect([fixture.vault.reads - reads, fixture.vault.writes - writes]).toEqual([1, 0]);
      expect([fixture.statusPatches - statusPatches, fixture.kms.asked - asked]).toEqual([0, 0]);
    },
  );

  it.each(ENGINES)('puts a foreign change right on %s and says so', async (engineVersion) => {
    const path = pathFor(engineVersion);
    fixture.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.vault.tamper(
      path,
      engineVersion,
      new Map([
        ['a', '"changed"'],
        ['b', '"added"'],
      ]),
    );
    await fixture.reconcile('x');
    expect(fixture.values(path, engineVersion)).toEqual({ a: 'one' });
    expect(reasons()).toEqual(['SecretCreated', 'DriftRepaired']);
  });

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

  it('does not ask KMS again for what it refuses for good, until the input changes', async () => {
    fixture.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    fixture.secret('x', { secrets: [item('a', 'one'), item('b', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it('asks again at every resync, for the denied key alone', async () => {
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

  it('writes nothing while KMS is down, and flips only what has a pending change', async () => {
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

  it('takes a pending change back when it is reverted during the outage', async () => {
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

  it('writes nothing when nothing of what is desired could be decrypted', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['other', '"kept"']]));
    fixture.secret('x', { secrets: [bad('a')] });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ other: 'kept' });
    expect(fixture.find(SECRET_KIND, 'x')?.status?.created).toBeUndefined();
  });

  it('says at first contact which version gave way', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['theirs', '1']]));
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    expect(reasons()).toEqual(['ExistingValueReplaced', 'SecretCreated']);
    expect(fixture.events[0]?.message).toContain('version 1');
  });

  it('after a restart asks KMS nothing for the version that the status vouches for', async () => {
    fixture.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await fixture.reconcile('x');
    fixture.restart();
    const { asked } = fixture.kms;
    const { writes } = fixture.vault;
    await fixture.reconcile('x');
    // Only the key that failed is tried again.
    expect(fixture.kms.asked).toBe(asked + 1);
    expect(fixture.vault.writes).toBe(writes);
  });

  it('notices a secret that was re-created up to the same version number', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.restart();
    fixture.vault.lose('secret/data/x', 'everything');
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('decides again when somebody writes in between', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    let once = true;
    fixture.vault.beforeWrite = (): void => {
      if (once) fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
      once = false;
    };
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two' });
    expect(fixture.vault.v2.get('secret/data/x')?.versions).toHaveLength(3);
  });

  it('writes an empty set on v2, and deletes on v1 only what it wrote', async () => {
    fixture.secret('two', { secrets: [] });
    await fixture.reconcile('two');
    expect(fixture.values('secret/data/two')).toEqual({});
    fixture.vault.tamper('kv/theirs', 'v1', new Map([['a', '1']]));
    fixture.secret('theirs', { path: 'kv/theirs', kvSettings: { engineVersion: 'v1' }, secrets: [] });
    await fixture.reconcile('theirs');
    expect(fixture.values('kv/theirs', 'v1')).toEqual({ a: 1 });
    fixture.secret('ours', {
      path: 'kv/ours',
      kvSettings: { engineVersion: 'v1' },
      secrets: [item('a', 'one')],
    });
    await fixture.reconcile('ours');
    fixture.secret('ours', { path: 'kv/ours', kvSettings: { engineVersion: 'v1' }, secrets: [] });
    await fixture.reconcile('ours', 'edit');
    expect(fixture.values('kv/ours', 'v1')).toBeUndefined();
  });

  it('does not use up a pinned version for an incomplete secret', async () => {
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
      includeSecrets: ['missing'],
    });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    fixture.partial('missing', { secrets: [item('b', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it.each([
    ['an empty path', 0, undefined],
    ['the version that the pin names', 1, new Map([['a', '"before"']])],
  ])('asks KMS once while an include of a pinned resource is missing at %s', async (_, casIndex, before) => {
    if (before !== undefined) fixture.vault.tamper('secret/data/x', 'v2', before);
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex },
      secrets: [item('a', 'one'), bad('b')],
      includeSecrets: ['missing'],
    });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    fixture.partial('missing', { secrets: [item('c', 'three')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', c: 'three' });
  });

  it('asks KMS again for a pinned resource when an administrator may have mended the key', async () => {
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
    });
    fixture.kms.denied.add('one');
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    fixture.kms.denied.clear();
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('finds a stale pin stale again without asking KMS', async () => {
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toMatchObject({ reason: 'CasIndexStale' });
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
  });

  it('writes unread where the token may not read: complete secrets only, on v2 once per change', async () => {
    fixture.vault.writeOnly.add('secret/data/x');
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    await fixture.reconcile('x');
    fixture.restart();
    await fixture.reconcile('x');
    expect(fixture.vault.writes).toBe(1);
    fixture.secret('x', { secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.writes).toBe(1);
    expect(fixture.ready('x')?.reason).toBe('VaultForbidden');
  });

  it.each(ENGINES)('does not write unread on %s while permissions may still come', async (engineVersion) => {
    const path = pathFor(engineVersion);
    fixture.vault.tamper(path, engineVersion, new Map([['b', '"before"']]));
    fixture.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one'), bad('b')] });
    fixture.vault.notReplicated = true;
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(fixture.vault.writes).toBe(0);
    fixture.vault.notReplicated = false;
    await fixture.reconcile('x');
    expect(fixture.values(path, engineVersion)).toEqual({ a: 'one', b: 'before' });
  });

  it('lets the older of two resources have the path, and names each to the other', async () => {
    fixture.secret('older', { path: 'secret/data/same', secrets: [item('a', 'older')] });
    fixture.secret('younger', { path: '/secret//data/same/', secrets: [item('a', 'younger')] });
    await fixture.reconcile('younger');
    await fixture.reconcile('older');
    expect(fixture.values('secret/data/same')).toEqual({ a: 'older' });
    expect(fixture.ready('younger')).toMatchObject({ reason: 'PathConflict' });
    expect(fixture.ready('younger')?.message).toContain('default/older');
    expect(
      fixture.events.filter((event) => event.reason === 'PathConflict').map((event) => event.name),
    ).toEqual(['younger', 'older']);
    fixture.delete(SECRET_KIND, 'older');
    await fixture.reconcile('younger');
    expect(fixture.values('secret/data/same')).toEqual({ a: 'younger' });
  });

  it('leaves the old value when the path changes, and names it', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { path: 'secret/data/new', secrets: [item('a', 'one')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(fixture.values('secret/data/new')).toEqual({ a: 'one' });
    expect(fixture.events.find((event) => event.reason === 'PathChanged')?.message).toContain(
      'secret/data/x',
    );
  });

  it('changes lastTransitionTime only with the status', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    const first = fixture.cache.secret('default', 'x')?.status?.conditions?.[0]?.lastTransitionTime;
    fixture.now += 60_000;
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    const condition = fixture.cache.secret('default', 'x')?.status?.conditions?.[0];
    expect(condition?.lastTransitionTime).toBe(first);
    expect(condition?.observedGeneration).toBe(2);
  });

  it('lists at most 50 failed keys, says that it cut the list, and trusts it no more', async () => {
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

  it.each(ENGINES)(
    'does not bring the keys of a partial back on %s while it still shows after its finalizer was removed',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      const finalizers = [DELETE_FINALIZER, 'example.com/other'];
      fixture.partial('shared', { secrets: [item('b', 'two')] }, { finalizers });
      const spec = { path, kvSettings: { engineVersion }, includeSecrets: ['shared'] };
      fixture.secret('x', { ...spec, secrets: [item('a', 'one')] });
      await fixture.reconcile('x');
      fixture.delete(PARTIAL_KIND, 'shared');
      await fixture.reconcile('x', 'edit');
      await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
      expect(fixture.cache.partial('default', 'shared')?.metadata.finalizers).toEqual(['example.com/other']);
      fixture.vault.tamper(path, engineVersion, new Map([['theirs', '1']]));
      await fixture.reconcile('x');
      expect(fixture.values(path, engineVersion)).toEqual({ a: 'one', theirs: 1 });
      expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    },
  );

  it('takes a partial that cannot be read for a retry, never for a missing one', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    fixture.apiDown = true;
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(fixture.vault.writes).toBe(0);
  });

  it('says of an unforeseen error only its kind', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.vault.open = () => Promise.reject(new TypeError('canary-in-a-message'));
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(JSON.stringify(fixture.logger.entries)).not.toContain('canary');
    expect(JSON.stringify(fixture.logger.entries)).toContain('TypeError');
  });

  it('says nothing of a resource that was given up because the operator stops', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.kms.decrypt = () =>
      Promise.reject(new KmsError('transient', 'Abandoned', 'the request was given up'));
    expect(await fixture.reconcile('x')).toEqual({ result: 'abandoned' });
    expect(fixture.ready('x')).toBeUndefined();
    expect(fixture.events).toEqual([]);
    expect(fixture.logger.entries).toEqual([]);
  });
});
