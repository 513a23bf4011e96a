import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { StaleCacheError } from '../../../src/runtime/write-gate.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

const A = 'secret/data/a';
const B = 'secret/data/b';
const secrets = ['served', 'throttled'].map((key) => ({ key, encryptedSecret: FakeKms.encrypt(key) }));

let fixture: ReconcileFixture;
let givenUp = 0;

beforeEach(() => {
  fixture = new ReconcileFixture();
  givenUp = 0;
});

/** KMS serves one of the keys; the other waits for the quota until its request is given up. */
function throttle(beforeAnswer: () => void): void {
  const decrypt = fixture.kms.decrypt.bind(fixture.kms);
  fixture.kms.decrypt = async (request, signal?: AbortSignal) => {
    const plaintext = await decrypt(request);
    if (plaintext !== 'throttled') {
      beforeAnswer();
      return plaintext;
    }
    return await new Promise<string>((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        givenUp += 1;
        reject(new KmsError('transient', 'ThrottlingException', 'KMS is busy'));
      });
    });
  };
}

describe.each([
  ['with read permission', [] as string[]],
  ['without read permission', [A, B]],
])('a resource that waits for a quota of KMS, %s', (_permission, writeOnly) => {
  beforeEach(() => {
    for (const path of writeOnly) fixture.vault.writeOnly.add(path);
    fixture.secret('x', { path: A, secrets }, { finalizers: [DELETE_FINALIZER] });
  });

  it.each([
    ['is deleted', (): void => fixture.delete(SECRET_KIND, 'x')],
    ['moves to another path', (): void => void fixture.secret('x', { path: B, secrets })],
  ])('stops waiting when it %s, and is looked at again', async (_what, change) => {
    throttle(change);
    await fixture.reconcile('x', 'edit');
    expect(givenUp).toBe(1);
    expect(fixture.values(A)).toBeUndefined();
    expect([...fixture.requeued.values()].map(({ key, priority }) => [key.name, priority])).toEqual([
      ['x', 'edit'],
    ]);
    expect(fixture.events.map(({ reason }) => reason)).toEqual([]);
  });
});

describe('a resource that waits for a quota of KMS', () => {
  it('keeps what is decrypted when another of its fields changes: a row of edits does not starve it', async () => {
    fixture.secret('x', { path: A, secrets });
    const more = { key: 'more', encryptedSecret: FakeKms.encrypt('more') };
    let serve: () => void = () => undefined;
    const decrypt = fixture.kms.decrypt.bind(fixture.kms);
    fixture.kms.decrypt = async (request) => {
      const plaintext = await decrypt(request);
      if (plaintext === 'throttled') await new Promise<void>((resolve) => (serve = resolve));
      else fixture.secret('x', { path: A, secrets: [...secrets, more] });
      return plaintext;
    };
    const reconciled = fixture.reconcile('x', 'edit');
    await new Promise(setImmediate);
    serve();
    await reconciled;
    expect(fixture.values(A)).toEqual({ served: 'served', throttled: 'throttled' });
  });

  it.each([true, false])(
    'keeps what is decrypted when the cluster is listed anew meanwhile: %s',
    async (same) => {
      let lists = 0;
      fixture.view.work.catchUp = async (isUnchanged): Promise<boolean> => {
        lists += 1;
        if (!same) fixture.secret('x', { path: A, secrets: secrets.slice(1) });
        if (!(await isUnchanged())) throw new StaleCacheError();
        return true;
      };
      fixture.secret('x', { path: A, secrets });
      const { result } = await fixture.reconcile('x', 'edit');
      expect([lists, fixture.kms.asked]).toEqual([1, 2]);
      expect(result).toBe(same ? 'synced' : 'stale');
      expect(fixture.values(A)).toEqual(same ? { served: 'served', throttled: 'throttled' } : undefined);
    },
  );

  it('reads v1 again after such a list', async () => {
    const spec = { path: 'kv/a', kvSettings: { engineVersion: 'v1' as const } };
    fixture.vault.tamper('kv/a', 'v1', new Map([['kept', '1']]));
    fixture.secret('x', { ...spec, secrets, includeSecrets: ['missing'] });
    fixture.view.work.catchUp = (): Promise<boolean> => {
      fixture.vault.tamper('kv/a', 'v1', new Map([['kept', '2']]));
      return Promise.resolve(true);
    };
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('kv/a', 'v1')).toEqual({ kept: 2, served: 'served', throttled: 'throttled' });
  });

  it('decrypts once, however often another writer is faster', async () => {
    fixture.secret('x', { path: A, secrets });
    let races = 3;
    fixture.vault.beforeWrite = (): void => {
      if (races > 0) fixture.vault.tamper(A, 'v2', new Map([['race', String((races -= 1))]]));
    };
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(A)).toEqual({ served: 'served', throttled: 'throttled' });
    expect(fixture.kms.asked).toBe(2);
  });
});
