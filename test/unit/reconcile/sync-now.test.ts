import { beforeEach, describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND, RECONCILE_AT_ANNOTATION, SECRET_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const ask = (
  value: string,
  name = 'x',
  kind: typeof SECRET_KIND | typeof PARTIAL_KIND = SECRET_KIND,
): void => {
  fixture.annotate(kind, name, RECONCILE_AT_ANNOTATION, value);
};
const handled = (name = 'x', kind: typeof SECRET_KIND | typeof PARTIAL_KIND = SECRET_KIND): unknown =>
  fixture.find(kind, name)?.status?.lastHandledReconcileAt;

/** How often KMS and Vault are asked meanwhile. */
async function cost(work: () => Promise<unknown>): Promise<{ kms: number; reads: number; writes: number }> {
  const { reads, writes } = fixture.vault;
  const { asked } = fixture.kms;
  await work();
  return {
    kms: fixture.kms.asked - asked,
    reads: fixture.vault.reads - reads,
    writes: fixture.vault.writes - writes,
  };
}

describe('a new value of the annotation reconcile-at', () => {
  it.each(ENGINES)(
    'decrypts everything once on %s, and writes nothing that is equal',
    async (engineVersion) => {
      fixture.secret('x', {
        path: pathFor(engineVersion),
        kvSettings: { engineVersion },
        secrets: [item('a', 'one'), item('b', 'two')],
      });
      await fixture.reconcile('x');
      expect(handled()).toBeUndefined();
      ask('first');
      expect(await cost(() => fixture.reconcile('x', 'edit'))).toEqual({ kms: 2, reads: 1, writes: 0 });
      expect(handled()).toBe('first');
      expect(await cost(() => fixture.reconcile('x', 'edit'))).toEqual({ kms: 0, reads: 1, writes: 0 });
      ask('second');
      expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 2 });
      // A new value may be an old one.
      ask('first');
      expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 2 });
      expect(handled()).toBe('first');
    },
  );

  it('asks KMS again about what it refused as wrong input', async () => {
    fixture.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    await fixture.reconcile('x');
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    ask('now');
    expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 2, writes: 0 });
    expect(handled()).toBe('now');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
  });

  it('decrypts although the status vouches for the version in Vault, and once only across restarts', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.restart();
    ask('now');
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1, writes: 0 });
    fixture.restart();
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
  });

  it('is answered once, whichever replica leads', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    const first = fixture.replica();
    ask('one');
    await fixture.reconcile('x', 'edit');
    fixture.restart();
    fixture.lead(fixture.replica());
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    ask('two');
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1 });
    // The first replica remembers `one` as the last: asked again, it is a new request.
    ask('one');
    fixture.lead(first);
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1 });
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
  });

  it('repeats the check of a pinned version that blocks', async () => {
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    expect(fixture.ready('x')).toMatchObject({ reason: 'CasIndexStale' });
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    ask('now');
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1, writes: 0 });
    expect(handled()).toBe('now');
  });

  it('leaves a pinned version that is written alone where the token may not read', async () => {
    fixture.vault.writeOnly.add('secret/data/x');
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x', 'edit');
    ask('now');
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(handled()).toBe('now');
  });

  it.each(ENGINES)('writes again where the token may not read, on %s', async (engineVersion) => {
    const path = pathFor(engineVersion);
    fixture.vault.writeOnly.add(path);
    fixture.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x', 'edit');
    expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 0, writes: 0 });
    ask('now');
    expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 1, writes: 1 });
    expect(await cost(() => fixture.reconcile('x', 'edit'))).toMatchObject({ kms: 0, writes: 0 });
  });

  it.each([
    ['Vault', 'VaultUnavailable', (down: boolean): void => void (fixture.vault.down = down)],
    ['KMS', 'KmsUnavailable', (down: boolean): void => void (fixture.kms.down = down)],
  ])('waits while %s is down, says so, and is handled afterwards', async (_what, reason, set) => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    set(true);
    ask('now');
    expect((await fixture.reconcile('x', 'edit')).result).toBe('error');
    expect(handled()).toBeUndefined();
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(fixture.reasons()).toContain(reason);
    set(false);
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1 });
    expect(handled()).toBe('now');
  });

  it('is handled when the sync is refused, because trying again would give the same answer', async () => {
    fixture.secret('x', { path: 'sys/mounts/x', secrets: [item('a', 'one')] });
    ask('now');
    expect((await fixture.reconcile('x')).result).toBe('blocked');
    expect(handled()).toBe('now');
  });

  it('is reported by a later patch when the API server is down after the sync', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    ask('now');
    fixture.apiDown = true;
    await fixture.reconcile('x', 'edit');
    fixture.apiDown = false;
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    expect(handled()).toBe('now');
  });

  it('is answered once by a process whose status patches are not stored', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    ask('now');
    const update = fixture.updateStatus.bind(fixture);
    fixture.updateStatus = async (object, desired) =>
      await update(object, (current, resource) => {
        const { lastHandledReconcileAt, ...stored } = desired(current, resource);
        void lastHandledReconcileAt;
        return stored as ReturnType<typeof desired>;
      });
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 1 });
    expect(handled()).toBeUndefined();
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
  });

  it('is nothing new when the annotation is removed and set again, or another one is set', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    ask('now');
    await fixture.reconcile('x');
    fixture.annotate(SECRET_KIND, 'x', RECONCILE_AT_ANNOTATION);
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    ask('now');
    fixture.annotate(SECRET_KIND, 'x', 'reconcile-at', 'other');
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
  });
});

describe('the annotation reconcile-at on a partial', () => {
  beforeEach(async () => {
    fixture.partial('p', { secrets: [item('shared', 'one')] });
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    fixture.secret('y', { includeSecrets: ['p'] });
    fixture.secret('z', { secrets: [item('a', 'one')] });
    for (const name of ['x', 'y', 'z']) await fixture.reconcile(name);
    await fixture.reconcile('p', 'edit', PARTIAL_KIND);
    ask('now', 'p', PARTIAL_KIND);
  });

  it('syncs every secret that includes it, and is handled when the last one is done', async () => {
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('waiting');
    expect([...fixture.requeued.values()].map(({ key }) => key.name)).toEqual(
      expect.arrayContaining(['x', 'y']),
    );
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 2, writes: 0 });
    expect(await cost(() => fixture.reconcile('z'))).toMatchObject({ kms: 0 });
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('waiting');
    expect(handled('p', PARTIAL_KIND)).toBeUndefined();
    // Once each.
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    fixture.requeued.clear();
    expect(await cost(() => fixture.reconcile('y'))).toMatchObject({ kms: 1 });
    expect([...fixture.requeued.keys()]).toEqual(['PartialKMSVaultSecret/default/p']);
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('synced');
    expect(handled('p', PARTIAL_KIND)).toBe('now');
    fixture.restart();
    expect(await cost(() => fixture.reconcile('x'))).toMatchObject({ kms: 0 });
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('synced');
    // A secret's own annotation is another request.
    expect(handled('x')).toBeUndefined();
  });

  it('does not wait for a suspended secret', async () => {
    await fixture.reconcile('x');
    fixture.secret('y', { includeSecrets: ['p'], suspend: true });
    expect(await cost(() => fixture.reconcile('y', 'edit'))).toEqual({ kms: 0, reads: 0, writes: 0 });
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('synced');
    expect(handled('p', PARTIAL_KIND)).toBe('now');
  });

  it('waits for a secret whose sync waits for KMS', async () => {
    await fixture.reconcile('x');
    fixture.kms.down = true;
    await fixture.reconcile('y');
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('waiting');
    fixture.kms.down = false;
    await fixture.reconcile('y');
    expect((await fixture.reconcile('p', 'edit', PARTIAL_KIND)).result).toBe('synced');
  });
});
