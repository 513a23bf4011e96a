import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import type { KMSVaultSecret } from '../../../src/api/resources.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const put = (path: string, value = 'one', metadata: object = { finalizers: [DELETE_FINALIZER] }): void => {
  fixture.secret('x', { path, secrets: [item('a', value)] }, metadata);
};

describe('a finalizer', () => {
  it('leaves the value to a resource that takes over the path during the deletion', async () => {
    put(A);
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    const open = fixture.vault.open.bind(fixture.vault);
    fixture.vault.open = async (...parameters) => {
      const kv = await open(...parameters);
      fixture.secret('heir', { path: A, secrets: [item('a', 'one')] });
      return kv;
    };
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(A)).toEqual({ a: 'one' });
    expect(fixture.messages('SecretKept').join('\n')).toContain('default/heir');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('that was removed by hand leaves nothing in memory for a later one', async () => {
    put(A, 'one', { finalizers: [DELETE_FINALIZER, 'example.com/other'] });
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    const original = fixture.removeFinalizer.bind(fixture);
    fixture.removeFinalizer = () => Promise.resolve({ outcome: 'forbidden' });
    expect((await fixture.reconcile('x', 'edit')).result).toBe('error');
    await original(refOf(fixture.find(SECRET_KIND, 'x') as KMSVaultSecret));
    expect((await fixture.reconcile('x')).result).toBe('deleted');
    // The same uid again: nobody deleted the value that is there now.
    fixture.vault.tamper(A, 'v2', new Map([['a', '"one"']]));
    const secret = fixture.find(SECRET_KIND, 'x');
    expect(secret?.metadata.finalizers).toEqual(['example.com/other']);
    fixture.removeFinalizer = original;
    fixture.secret('x', { path: A, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(A)).toBeUndefined();
  });
});
