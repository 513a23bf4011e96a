import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, RECONCILE_AT_ANNOTATION, SECRET_KIND } from '../../../src/api/group.js';
import type { Condition } from '../../../src/api/resources.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const status = (name = 'x') => fixture.cache.secret('default', name)?.status;
const condition = (type: string, name = 'x'): Condition | undefined =>
  status(name)?.conditions?.find((one) => one.type === type);

/** The number of requests to Vault and KMS meanwhile. */
async function requests(work: () => Promise<unknown>): Promise<number> {
  const all = (): number => fixture.vault.reads + fixture.vault.writes + fixture.kms.asked;
  const before = all();
  await work();
  return all() - before;
}

describe('a resource with spec.suspend: true', () => {
  it.each(ENGINES)(
    'causes no request by resyncs, edits, drift, partials and reconcile-at on %s',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      const spec = { path, kvSettings: { engineVersion }, includeSecrets: ['p'] };
      fixture.partial('p', { secrets: [item('shared', 'one')] });
      fixture.secret('x', { ...spec, secrets: [item('a', 'one')] });
      await fixture.reconcile('x');
      const ready = condition('Ready');
      fixture.secret('x', { ...spec, secrets: [item('a', 'one')], suspend: true });
      const work = async (): Promise<void> => {
        expect(await fixture.reconcile('x', 'edit')).toEqual({ result: 'suspended' });
        fixture.vault.tamper(path, engineVersion, new Map([['a', '"theirs"']]));
        await fixture.reconcile('x');
        fixture.partial('p', { secrets: [item('shared', 'two')] });
        await fixture.reconcile('x', 'edit');
        fixture.annotate(SECRET_KIND, 'x', RECONCILE_AT_ANNOTATION, 'now');
        await fixture.reconcile('x', 'edit');
        fixture.restart();
        await fixture.reconcile('x');
        fixture.secret('x', {
          ...spec,
          path: 'secret/data/other',
          secrets: [item('a', 'two')],
          suspend: true,
        });
        await fixture.reconcile('x', 'edit');
      };
      expect(await requests(work)).toBe(0);
      expect(condition('Ready')).toEqual(ready);
      expect(condition('Suspended')).toMatchObject({ status: 'True', reason: 'Suspended' });
      expect(fixture.reasons()).toEqual(['SecretCreated', 'Suspended']);
      expect(status()?.lastHandledReconcileAt).toBeUndefined();

      fixture.secret('x', { ...spec, secrets: [item('a', 'two')] });
      await fixture.reconcile('x', 'edit');
      expect(fixture.values(path, engineVersion)).toEqual({ a: 'two', shared: 'two' });
      expect(condition('Suspended')).toBeUndefined();
      expect(condition('Stalled')).toBeUndefined();
      expect(status()?.lastHandledReconcileAt).toBe('now');
      expect(fixture.reasons().filter((reason) => reason === 'Resumed')).toHaveLength(1);
    },
  );

  it('patches its status once, and its event is not repeated by resyncs and restarts', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    const { statusPatches } = fixture;
    await fixture.reconcile('x', 'edit');
    for (let round = 0; round < 3; round += 1) {
      fixture.now += 3_600_000;
      await fixture.reconcile('x');
      fixture.restart();
    }
    expect(fixture.statusPatches).toBe(statusPatches + 1);
    expect(fixture.messages('Suspended')).toHaveLength(1);
  });

  it('counts as observed, and is ready where everything is written, so that a tool does not wait for it', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('x', 'edit');
    const { generation } = fixture.cache.secret('default', 'x')?.metadata ?? {};
    expect(status()?.observedGeneration).toBe(generation);
    expect(condition('Suspended')?.observedGeneration).toBe(generation);
    expect(condition('Ready')?.status).toBe('True');
    expect(condition('Ready')?.observedGeneration).not.toBe(generation);
    expect(condition('Stalled')).toBeUndefined();
  });

  it('is Stalled while it has changes that are not in Vault, so that a tool does not take it for ready', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'two')], suspend: true });
    await fixture.reconcile('x', 'edit');
    expect(condition('Ready')?.status).toBe('True');
    expect(condition('Stalled')).toMatchObject({ status: 'True', reason: 'Suspended' });
    // The change is taken back.
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('x', 'edit');
    expect(condition('Stalled')).toBeUndefined();
  });

  it('is Stalled when it was created suspended, or was not ready before', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    expect(await requests(() => fixture.reconcile('x'))).toBe(0);
    expect(condition('Ready')).toBeUndefined();
    expect(condition('Stalled')).toMatchObject({ reason: 'Suspended' });
    fixture.secret('y', { path: 'sys/x', secrets: [item('a', 'one')] });
    await fixture.reconcile('y');
    fixture.secret('y', { path: 'sys/x', secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('y');
    expect(condition('Ready', 'y')).toMatchObject({ status: 'False', reason: 'InvalidPath' });
    expect(condition('Stalled', 'y')).toBeDefined();
  });

  it('keeps its path: a younger resource does not take it over', async () => {
    fixture.secret('x', { path: 'secret/data/same', secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { path: 'secret/data/same', secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('x', 'edit');
    fixture.secret('younger', { path: 'secret/data/same', secrets: [item('a', 'younger')] });
    await fixture.reconcile('younger');
    expect(fixture.ready('younger')).toMatchObject({ reason: 'PathConflict' });
    expect(fixture.values('secret/data/same')).toEqual({ a: 'one' });
  });

  it('forgets what it wrote when an older resource takes its path', async () => {
    fixture.secret('older', { secrets: [item('a', 'older')] });
    fixture.secret(
      'x',
      { path: 'secret/data/same', secrets: [item('a', 'one')] },
      { finalizers: [DELETE_FINALIZER] },
    );
    await fixture.reconcile('x');
    fixture.secret('x', { path: 'secret/data/same', secrets: [item('a', 'one')], suspend: true });
    fixture.secret('older', { path: 'secret/data/same', secrets: [item('a', 'older')] });
    await fixture.reconcile('older');
    await fixture.reconcile('x');
    expect(status()?.created).toBeUndefined();
    fixture.delete(SECRET_KIND, 'older');
    fixture.delete(SECRET_KIND, 'x');
    fixture.secret(
      'x',
      { path: 'secret/data/same', secrets: [] },
      {
        deletionTimestamp: '2026-01-02T00:00:00Z',
        finalizers: [DELETE_FINALIZER],
      },
    );
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/same')).toEqual({ a: 'older' });
  });

  it('is not written by a sync that was under way', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'two'), item('b', 'two')] });
    fixture.kms.onRequest = (): void => {
      fixture.kms.onRequest = () => undefined;
      fixture.secret('x', { secrets: [item('a', 'two'), item('b', 'two')], suspend: true });
    };
    expect((await fixture.reconcile('x', 'edit')).result).toBe('superseded');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(await requests(() => fixture.reconcile('x', 'edit'))).toBe(0);
  });

  it.each([['true'], [1], [{}]])(
    'is refused with suspend: %j, and null counts as absent',
    async (suspend) => {
      fixture.secret('x', { secrets: [item('a', 'one')], suspend: suspend as unknown as boolean });
      await fixture.reconcile('x');
      expect(fixture.ready('x')).toMatchObject({
        reason: 'InvalidSpec',
        message: expect.stringContaining('spec.suspend must be true or false'),
      });
      fixture.secret('x', { secrets: [item('a', 'one')], suspend: null as unknown as boolean });
      await fixture.reconcile('x');
      expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    },
  );

  it('is resumed by false, even if Vault is down then', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('x');
    fixture.vault.down = true;
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: false });
    await fixture.reconcile('x', 'edit');
    expect(condition('Suspended')).toBeUndefined();
  });
});
