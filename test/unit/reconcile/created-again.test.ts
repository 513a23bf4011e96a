import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, type Kind, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

const finalizers = { finalizers: [DELETE_FINALIZER] };
let fixture: ReconcileFixture;

/** Somebody removes the finalizer by hand, so that the object is gone. */
async function removeByHand(kind: Kind, name: string): Promise<void> {
  const object = fixture.find(kind, name);
  if (object !== undefined) await fixture.removeFinalizer(refOf(object));
  expect(fixture.find(kind, name)).toBeUndefined();
}

/** What happens while the mount of the next path is looked up. */
function meanwhile(happens: () => Promise<void>): void {
  const open = fixture.vault.open.bind(fixture.vault);
  fixture.vault.open = async (path, engine) => {
    fixture.vault.open = open;
    await happens();
    return await open(path, engine);
  };
}

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('a resource that was created again while its predecessor was being deleted', () => {
  const deleting = async (): Promise<void> => {
    fixture.secret('x', { secrets: [item('a', 'one')] }, finalizers);
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
  };

  it('keeps its finalizer, which deletes its value later', async () => {
    await deleting();
    meanwhile(async () => {
      await removeByHand(SECRET_KIND, 'x');
      fixture.secret('x', { secrets: [item('a', 'two')] }, finalizers);
    });
    await fixture.reconcile('x', 'edit');
    expect(fixture.find(SECRET_KIND, 'x')?.metadata.finalizers).toEqual([DELETE_FINALIZER]);
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two' });
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect([fixture.find(SECRET_KIND, 'x'), fixture.values('secret/data/x')]).toEqual([undefined, undefined]);
  });

  it('is not said to be deleting', async () => {
    await deleting();
    meanwhile(async () => {
      await removeByHand(SECRET_KIND, 'x');
      fixture.secret('x', { path: 'secret/data/other', secrets: [item('a', 'two')] }, finalizers);
      fixture.vault.down = true;
    });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toBeUndefined();
  });
});

describe('a partial that was created again while its predecessor was withdrawn', () => {
  it('keeps its finalizer', async () => {
    fixture.partial('p', { secrets: [item('a', 'one')] }, finalizers);
    fixture.secret('x', { secrets: [item('b', 'two')], includeSecrets: ['p', 'none'] });
    await fixture.reconcile('x');
    fixture.delete(PARTIAL_KIND, 'p');
    await fixture.reconcile('x', 'edit');
    const fetch = fixture.fetch.bind(fixture);
    fixture.fetch = async (key) => {
      fixture.fetch = fetch;
      await removeByHand(PARTIAL_KIND, 'p');
      fixture.partial('p', { secrets: [item('a', 'new')] }, finalizers);
      return await fetch(key);
    };
    await fixture.reconcile('p', 'edit', PARTIAL_KIND);
    expect(fixture.find(PARTIAL_KIND, 'p')?.metadata.finalizers).toEqual([DELETE_FINALIZER]);
  });
});
