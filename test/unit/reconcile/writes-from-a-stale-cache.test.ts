import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { StaleCacheError } from '../../../src/runtime/write-gate.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

const V1 = { path: 'kv/x', kvSettings: { engineVersion: 'v1' as const } };
const V2 = { path: 'secret/data/x', kvSettings: { engineVersion: 'v2' as const } };

describe.each([
  ['v1', V1],
  ['v2', V2],
] as const)('a resource of %s whose cache became stale', (engine, place) => {
  let fixture: ReconcileFixture;

  beforeEach(() => {
    fixture = new ReconcileFixture();
  });

  function edit(value: string): void {
    fixture.secret('x', { ...place, secrets: [{ key: 'a', encryptedSecret: FakeKms.encrypt(value) }] });
  }

  function cacheBecomesStale(): void {
    fixture.view.work.assertFresh = (): void => {
      throw new StaleCacheError();
    };
  }

  it.each(['readable', 'write-only'])('writes nothing to a %s path', async (access) => {
    if (access === 'write-only') fixture.vault.writeOnly.add(place.path);
    edit('before');
    await fixture.reconcile('x');
    cacheBecomesStale();
    edit('after');
    expect(await fixture.reconcile('x')).toEqual({ result: 'stale' });
    expect(fixture.values(place.path, engine)).toEqual({ a: 'before' });
  });

  it('removes nothing for its finalizer', async () => {
    fixture.secret(
      'x',
      { ...place, secrets: [{ key: 'a', encryptedSecret: FakeKms.encrypt('value') }] },
      { finalizers: [DELETE_FINALIZER] },
    );
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    cacheBecomesStale();
    expect(await fixture.reconcile('x')).toEqual({ result: 'stale' });
    expect(fixture.values(place.path, engine)).toEqual({ a: 'value' });
    expect(fixture.find(SECRET_KIND, 'x')).toBeDefined();
  });

  it('empties nothing', async () => {
    edit('value');
    await fixture.reconcile('x');
    cacheBecomesStale();
    fixture.secret('x', { ...place, secrets: [] });
    expect(await fixture.reconcile('x')).toEqual({ result: 'stale' });
    expect(fixture.values(place.path, engine)).toEqual({ a: 'value' });
  });
});
