import { beforeEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../../src/api/group.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

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
      expect(fixture.reasons()).toEqual(['SecretCreated']);
      const { reads, writes } = fixture.vault;
      const { statusPatches } = fixture;
      const { asked } = fixture.kms;
      await fixture.reconcile('x');
      expect([fixture.vault.reads - reads, fixture.vault.writes - writes]).toEqual([1, 0]);
      expect([fixture.statusPatches - statusPatches, fixture.kms.asked - asked]).toEqual([0, 0]);
    },
  );

  it.each(ENGINES)('repairs a change by somebody else on %s, with an event', async (engineVersion) => {
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
    expect(fixture.reasons()).toEqual(['SecretCreated', 'DriftRepaired']);
  });

  it('names the version that it replaces at the first contact', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['theirs', '1']]));
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    expect(fixture.reasons()).toEqual(['ExistingValueReplaced', 'SecretCreated']);
    expect(fixture.events[0]?.message).toContain('version 1');
  });

  it('asks KMS nothing after a restart for a version that the status records, except for failed keys', async () => {
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

  it('notices a secret that was created again up to the same version number', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.restart();
    fixture.vault.lose('secret/data/x', 'everything');
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('reads again when another client writes first', async () => {
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

  it('gives a path to the older of two resources, and names each to the other', async () => {
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

  it('logs only the class of an unexpected error', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.vault.open = () => Promise.reject(new TypeError('canary-in-a-message'));
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(JSON.stringify(fixture.logger.entries)).not.toContain('canary');
    expect(JSON.stringify(fixture.logger.entries)).toContain('TypeError');
  });

  it('reports nothing for a resource that is abandoned because the operator stops', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    fixture.kms.decrypt = () =>
      Promise.reject(new KmsError('transient', 'Abandoned', 'the request was cancelled'));
    expect(await fixture.reconcile('x')).toEqual({ result: 'abandoned' });
    expect(fixture.ready('x')).toBeUndefined();
    expect(fixture.events).toEqual([]);
    expect(fixture.logger.entries).toEqual([]);
  });
});
