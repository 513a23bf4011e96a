import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
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

describe('the deletion of a suspended resource', () => {
  beforeEach(async () => {
    fixture.secret(
      'x',
      { secrets: [item('a', 'one')] },
      { finalizers: [DELETE_FINALIZER, 'example.com/other'] },
    );
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], suspend: true });
    await fixture.reconcile('x', 'edit');
    fixture.delete(SECRET_KIND, 'x');
  });

  const resume = (): void => {
    const { metadata } = fixture.cache.secret('default', 'x') ?? {};
    fixture.secret('x', { secrets: [item('a', 'one')] }, metadata ?? {});
  };

  it('waits and says so, until it is resumed', async () => {
    const ready = condition('Ready');
    const work = async (): Promise<void> => {
      expect(await fixture.reconcile('x', 'edit')).toEqual({ result: 'suspended' });
      fixture.restart();
      await fixture.reconcile('x');
    };
    expect(await requests(work)).toBe(0);
    expect(fixture.cache.secret('default', 'x')?.metadata.finalizers).toContain(DELETE_FINALIZER);
    expect(condition('Suspended')?.message).toContain('is being deleted');
    expect(condition('Ready')).toEqual(ready);
    expect(fixture.messages('DeletionFailed')[0]).toContain('spec.suspend');
    resume();
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    expect(fixture.cache.secret('default', 'x')?.metadata.finalizers).toEqual(['example.com/other']);
  });

  it.each(ENGINES)(
    'leaves what another resource has written to its path meanwhile on %s',
    async (engineVersion) => {
      const same = { path: pathFor(engineVersion), kvSettings: { engineVersion } };
      fixture.secret(
        'going',
        { ...same, path: `${same.path}/going`, secrets: [item('a', 'one')] },
        { finalizers: [DELETE_FINALIZER] },
      );
      await fixture.reconcile('going');
      fixture.secret('going', {
        ...same,
        path: `${same.path}/going`,
        secrets: [item('a', 'one')],
        suspend: true,
      });
      fixture.delete(SECRET_KIND, 'going');
      await fixture.reconcile('going');
      fixture.secret('heir', { ...same, path: `${same.path}/going`, secrets: [item('a', 'inherited')] });
      await fixture.reconcile('going');
      await fixture.reconcile('heir');
      fixture.delete(SECRET_KIND, 'heir');
      const { metadata } = fixture.cache.secret('default', 'going') ?? {};
      fixture.secret(
        'going',
        { ...same, path: `${same.path}/going`, secrets: [item('a', 'one')] },
        metadata ?? {},
      );
      expect((await fixture.reconcile('going')).result).toBe('deleted');
      expect(fixture.values(`${same.path}/going`, engineVersion)).toEqual({ a: 'inherited' });
    },
  );

  it('removes nothing when the resource is suspended between the decision and the request', async () => {
    resume();
    const open = fixture.vault.open.bind(fixture.vault);
    fixture.vault.open = async (path, engine) => {
      const { metadata } = fixture.cache.secret('default', 'x') ?? {};
      fixture.secret('x', { secrets: [item('a', 'one')], suspend: true }, metadata ?? {});
      return await open(path, engine);
    };
    expect((await fixture.reconcile('x', 'edit')).result).toBe('suspended');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(fixture.cache.secret('default', 'x')?.metadata.finalizers).toContain(DELETE_FINALIZER);
  });
});

describe('a partial that is being deleted with the finalizer', () => {
  beforeEach(() => {
    fixture.partial('p', { secrets: [item('shared', 'one')] }, { finalizers: [DELETE_FINALIZER] });
  });

  it('waits for a suspended includer and names it', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'], suspend: true });
    fixture.delete(PARTIAL_KIND, 'p');
    await fixture.reconcile('x', 'edit');
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('suspended');
    expect(fixture.messages('DeletionFailed')).toEqual([expect.stringContaining('default/x')]);
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', shared: 'one' });
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    fixture.requeued.clear();
    await fixture.reconcile('x', 'edit');
    expect([...fixture.requeued.keys()]).toContain('PartialKMSVaultSecret/default/p');
    await fixture.reconcile('p', 'edit', PARTIAL_KIND);
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(fixture.cache.partial('default', 'p')).toBeUndefined();
  });

  it('waits for a suspended includer whose status could not be written', async () => {
    fixture.statusForbidden = true;
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    await fixture.reconcile('x');
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'], suspend: true });
    fixture.delete(PARTIAL_KIND, 'p');
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('suspended');
    expect(fixture.cache.partial('default', 'p')).toBeDefined();
  });

  it('does not wait for a suspended includer that never wrote, or that is being deleted itself', async () => {
    fixture.secret('never', { includeSecrets: ['p'], suspend: true });
    await fixture.reconcile('never');
    fixture.secret('going', { includeSecrets: ['p'] }, { finalizers: [DELETE_FINALIZER] });
    await fixture.reconcile('going');
    fixture.secret('going', { includeSecrets: ['p'], suspend: true });
    fixture.delete(SECRET_KIND, 'going');
    fixture.delete(PARTIAL_KIND, 'p');
    await fixture.reconcile('p', 'edit', PARTIAL_KIND);
    expect(fixture.cache.partial('default', 'p')).toBeUndefined();
  });
});
