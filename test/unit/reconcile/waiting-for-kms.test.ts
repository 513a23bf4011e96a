import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { StaleCacheError } from '../../../src/runtime/write-gate.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

const A = 'secret/data/a';
const B = 'secret/data/b';
const secrets = ['served', 'throttled'].map((key) => ({ key, encryptedSecret: FakeKms.encrypt(key) }));

let stand: ReconcileStand;
let givenUp = 0;

beforeEach(() => {
  stand = new ReconcileStand();
  givenUp = 0;
});

/** KMS serves one of the keys; the other waits for the quota until its request is given up. */
function throttle(beforeAnswer: () => void): void {
  const decrypt = stand.kms.decrypt.bind(stand.kms);
  stand.kms.decrypt = async (request, signal?: AbortSignal) => {
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
    for (const path of writeOnly) stand.vault.writeOnly.add(path);
    stand.secret('x', { path: A, secrets }, { finalizers: [DELETE_FINALIZER] });
  });

  it.each([
    ['is deleted', (): void => stand.delete(SECRET_KIND, 'x')],
    ['moves to another path', (): void => void stand.secret('x', { path: B, secrets })],
  ])('stops waiting when it %s, and is looked at again', async (_what, change) => {
    throttle(change);
    await stand.reconcile('x', 'edit');
    expect(givenUp).toBe(1);
    expect(stand.values(A)).toBeUndefined();
    expect([...stand.requeued.values()].map(({ key, priority }) => [key.name, priority])).toEqual([
      ['x', 'edit'],
    ]);
    expect(stand.events.map(({ reason }) => reason)).toEqual([]);
  });
});

describe('a resource that waits for a quota of KMS', () => {
  it('keeps what is decrypted when another of its fields changes: a row of edits does not starve it', async () => {
    stand.secret('x', { path: A, secrets });
    const more = { key: 'more', encryptedSecret: FakeKms.encrypt('more') };
    let serve: () => void = () => undefined;
    const decrypt = stand.kms.decrypt.bind(stand.kms);
    stand.kms.decrypt = async (request) => {
      const plaintext = await decrypt(request);
      if (plaintext === 'throttled') await new Promise<void>((resolve) => (serve = resolve));
      else stand.secret('x', { path: A, secrets: [...secrets, more] });
      return plaintext;
    };
    const reconciled = stand.reconcile('x', 'edit');
    await new Promise(setImmediate);
    serve();
    await reconciled;
    expect(stand.values(A)).toEqual({ served: 'served', throttled: 'throttled' });
  });

  it.each([true, false])(
    'keeps what is decrypted when the cluster is listed anew meanwhile: %s',
    async (same) => {
      let lists = 0;
      stand.view.catchUp = async (isUnchanged): Promise<boolean> => {
        lists += 1;
        if (!same) stand.secret('x', { path: A, secrets: secrets.slice(1) });
        if (!(await isUnchanged())) throw new StaleCacheError();
        return true;
      };
      stand.secret('x', { path: A, secrets });
      const { result } = await stand.reconcile('x', 'edit');
      expect([lists, stand.kms.asked]).toEqual([1, 2]);
      expect(result).toBe(same ? 'synced' : 'stale');
      expect(stand.values(A)).toEqual(same ? { served: 'served', throttled: 'throttled' } : undefined);
    },
  );

  it('reads v1 again after such a list', async () => {
    const spec = { path: 'kv/a', kvSettings: { engineVersion: 'v1' as const } };
    stand.vault.tamper('kv/a', 'v1', new Map([['kept', '1']]));
    stand.secret('x', { ...spec, secrets, includeSecrets: ['missing'] });
    stand.view.catchUp = (): Promise<boolean> => {
      stand.vault.tamper('kv/a', 'v1', new Map([['kept', '2']]));
      return Promise.resolve(true);
    };
    await stand.reconcile('x', 'edit');
    expect(stand.values('kv/a', 'v1')).toEqual({ kept: 2, served: 'served', throttled: 'throttled' });
  });

  it('decrypts once, however often another writer is faster', async () => {
    stand.secret('x', { path: A, secrets });
    let races = 3;
    stand.vault.beforeWrite = (): void => {
      if (races > 0) stand.vault.tamper(A, 'v2', new Map([['race', String((races -= 1))]]));
    };
    await stand.reconcile('x', 'edit');
    expect(stand.values(A)).toEqual({ served: 'served', throttled: 'throttled' });
    expect(stand.kms.asked).toBe(2);
  });
});
