import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import type { KMSVaultSecret } from '../../../src/api/resources.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES, item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const B = 'secret/data/b';
const theirs = new Map([['theirs', '"precious"']]);
const put = (path: string, value = 'one', metadata: object = { finalizers: [DELETE_FINALIZER] }): void => {
  fixture.secret('x', { path, secrets: [item('a', value)] }, metadata);
};
const remove = async (): Promise<void> => {
  fixture.delete(SECRET_KIND, 'x');
  await fixture.reconcile('x', 'edit');
  expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
};

/** What an older CRD keeps of every status. */
function keepOnly(...fields: (keyof NonNullable<KMSVaultSecret['status']>)[]): void {
  const original = fixture.updateStatus.bind(fixture);
  fixture.updateStatus = (key, desired) =>
    original(key, (current, latest) => {
      const wanted = desired(current, latest) as Record<string, unknown>;
      return Object.fromEntries(fields.flatMap((field) => (field in wanted ? [[field, wanted[field]]] : [])));
    });
}

describe('a status with `created` and no path', () => {
  const v1 = { engineVersion: 'v1' as const };

  it.each(ENGINES)('never deletes a foreign secret at the new path, on %s', async (engineVersion) => {
    keepOnly('created', 'observedGeneration');
    const [from, to] = engineVersion === 'v1' ? ['kv/a', 'kv/b'] : [A, B];
    const spec = { kvSettings: { engineVersion }, secrets: [item('a', 'one')] };
    const finalizers = { finalizers: [DELETE_FINALIZER] };
    fixture.secret('x', { ...spec, path: from }, finalizers);
    await fixture.reconcile('x');
    fixture.restart();
    fixture.vault.tamper(to, engineVersion, theirs);
    fixture.vault.writeOnly.add(to);
    fixture.secret('x', { ...spec, path: to, includeSecrets: ['missing'] });
    // Refused, and it says so for this generation.
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toBeUndefined();
    fixture.vault.writeOnly.clear();
    await remove();
    expect(fixture.values(to, engineVersion)).toEqual({ theirs: 'precious' });
    expect(fixture.messages('SecretKept').join('\n')).toContain('to delete it by hand: vault ');
  });

  it('is proof while the spec has not changed', async () => {
    keepOnly('created');
    fixture.vault.tamper(A, 'v2', new Map([['a', '"by the Go operator"']]));
    put(A);
    const secret = fixture.cache.secret('default', 'x');
    if (secret === undefined) throw new Error('there is no x');
    await fixture.updateStatus(refOf(secret), () => ({ created: true }));
    expect(secret.metadata.generation).toBe(1);
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('is proof if Vault holds what the resource would write', async () => {
    keepOnly('created');
    put(A, 'zero');
    await fixture.reconcile('x');
    put(A);
    await fixture.reconcile('x', 'edit');
    fixture.restart();
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('delays the deletion while permissions may still be replicating', async () => {
    keepOnly('created');
    put(A, 'zero');
    await fixture.reconcile('x');
    put(A);
    await fixture.reconcile('x', 'edit');
    fixture.restart();
    fixture.vault.notReplicated = true;
    fixture.delete(SECRET_KIND, 'x');
    expect(await fixture.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(fixture.find(SECRET_KIND, 'x')).toBeDefined();
    fixture.vault.notReplicated = false;
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('never empties a v1 secret at the new path', async () => {
    keepOnly('created');
    fixture.secret('x', { path: 'kv/a', kvSettings: v1, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.restart();
    for (const unread of [false, true]) {
      fixture.vault.tamper('kv/b', 'v1', theirs);
      if (unread) fixture.vault.writeOnly.add('kv/b');
      fixture.secret('x', { path: 'kv/b', kvSettings: v1, secrets: [] });
      await fixture.reconcile('x', 'edit');
      expect(fixture.values('kv/b', 'v1')).toEqual({ theirs: 'precious' });
    }
  });
});
