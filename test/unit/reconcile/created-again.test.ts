import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, type Kind, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import type { SecretItem } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

const item = (key: string, value: string): SecretItem => ({
  key,
  encryptedSecret: FakeKms.encrypt(value),
});
const finalizers = { finalizers: [DELETE_FINALIZER] };
let stand: ReconcileStand;

/** Somebody removes the finalizer by hand, so that the object is gone. */
async function removeByHand(kind: Kind, name: string): Promise<void> {
  const object = stand.find(kind, name);
  if (object !== undefined) await stand.removeFinalizer(refOf(object));
  expect(stand.find(kind, name)).toBeUndefined();
}

/** What happens while the mount of the next path is looked up. */
function meanwhile(happens: () => Promise<void>): void {
  const open = stand.vault.open.bind(stand.vault);
  stand.vault.open = async (path, engine) => {
    stand.vault.open = open;
    await happens();
    return await open(path, engine);
  };
}

beforeEach(() => {
  stand = new ReconcileStand();
});

describe('a resource that was created again while its predecessor was being deleted', () => {
  const deleting = async (): Promise<void> => {
    stand.secret('x', { secrets: [item('a', 'one')] }, finalizers);
    await stand.reconcile('x');
    stand.delete(SECRET_KIND, 'x');
  };

  it('keeps its finalizer, which deletes its value later', async () => {
    await deleting();
    meanwhile(async () => {
      await removeByHand(SECRET_KIND, 'x');
      stand.secret('x', { secrets: [item('a', 'two')] }, finalizers);
    });
    await stand.reconcile('x', 'edit');
    expect(stand.find(SECRET_KIND, 'x')?.metadata.finalizers).toEqual([DELETE_FINALIZER]);
    await stand.reconcile('x', 'edit');
    expect(stand.values('secret/data/x')).toEqual({ a: 'two' });
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect([stand.find(SECRET_KIND, 'x'), stand.values('secret/data/x')]).toEqual([undefined, undefined]);
  });

  it('is not said to be deleting', async () => {
    await deleting();
    meanwhile(async () => {
      await removeByHand(SECRET_KIND, 'x');
      stand.secret('x', { path: 'secret/data/other', secrets: [item('a', 'two')] }, finalizers);
      stand.vault.down = true;
    });
    await stand.reconcile('x', 'edit');
    expect(stand.ready('x')).toBeUndefined();
  });
});

describe('a partial that was created again while its predecessor was withdrawn', () => {
  it('keeps its finalizer', async () => {
    stand.partial('p', { secrets: [item('a', 'one')] }, finalizers);
    stand.secret('x', { secrets: [item('b', 'two')], includeSecrets: ['p', 'none'] });
    await stand.reconcile('x');
    stand.delete(PARTIAL_KIND, 'p');
    await stand.reconcile('x', 'edit');
    const fetch = stand.fetch.bind(stand);
    stand.fetch = async (key) => {
      stand.fetch = fetch;
      await removeByHand(PARTIAL_KIND, 'p');
      stand.partial('p', { secrets: [item('a', 'new')] }, finalizers);
      return await fetch(key);
    };
    await stand.reconcile('p', 'edit', PARTIAL_KIND);
    expect(stand.find(PARTIAL_KIND, 'p')?.metadata.finalizers).toEqual([DELETE_FINALIZER]);
  });
});
