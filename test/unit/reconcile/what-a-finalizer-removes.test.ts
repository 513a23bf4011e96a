import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

let stand: ReconcileStand;

beforeEach(() => {
  stand = new ReconcileStand();
});

const A = 'secret/data/a';
const item = (key: string, value: string): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(value),
});
const theirs = new Map([['theirs', '"precious"']]);
const messages = (reason: string): string[] =>
  stand.events.filter((event) => event.reason === reason).map((event) => event.message);
const put = (path: string): void => {
  stand.secret('x', { path, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
};
const remove = async (): Promise<void> => {
  stand.delete(SECRET_KIND, 'x');
  await stand.reconcile('x', 'edit');
  expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
};

describe('an edit after a first write whose status patch failed', () => {
  const begin = async (path: string): Promise<void> => {
    const engineVersion = path === A ? 'v2' : 'v1';
    const spec = { path, kvSettings: { engineVersion } as const };
    stand.secret('x', { ...spec, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x');
    stand.apiDown = false;
    stand.vault.onChange = (): void => undefined;
    stand.secret('x', { ...spec, secrets: [item('a', 'two')] });
  };

  describe.each([A, 'kv/a'])('at %s', (path) => {
    const engine = path === A ? 'v2' : 'v1';

    it('is deleted by the process that wrote', async () => {
      await begin(path);
      await remove();
      expect(stand.values(path, engine)).toBeUndefined();
    });

    it('is deleted by another process that has synced the edit', async () => {
      await begin(path);
      stand.restart();
      await stand.reconcile('x', 'edit');
      await remove();
      expect(stand.values(path, engine)).toBeUndefined();
    });

    it('stays where no process has seen the edit before the deletion: nothing shows whose value it is', async () => {
      await begin(path);
      stand.restart();
      await remove();
      expect(stand.values(path, engine)).toEqual({ a: 'one' });
      expect(messages('SecretKept').join('\n')).toContain(
        path === A ? 'vault kv metadata delete secret/a' : 'vault delete kv/a',
      );
    });
  });
});

describe('the removal of a v2 secret', () => {
  it('goes on where the history does, whoever wrote last', async () => {
    put(A);
    await stand.reconcile('x');
    stand.vault.tamper(A, 'v2', theirs);
    await remove();
    expect(stand.values(A)).toBeUndefined();
  });

  it.each([1, 2, 11])('spares a secret that was created anew since, at version %s', async (versions) => {
    put(A);
    await stand.reconcile('x');
    stand.vault.lose(A, 'everything');
    for (let version = 0; version < versions; version += 1) stand.vault.tamper(A, 'v2', theirs);
    await remove();
    expect(stand.values(A)).toEqual({ theirs: 'precious' });
    expect(messages('SecretKept').join('\n')).toContain('vault kv metadata delete secret/a');
  });

  it.each([
    { last: theirs, stays: { theirs: 'precious' } },
    { last: new Map([['a', '"one"']]), stays: undefined },
  ])('where Vault has dropped our version, needs our content: $stays stays', async ({ last, stays }) => {
    put(A);
    await stand.reconcile('x');
    for (let version = 0; version < 10; version += 1) stand.vault.tamper(A, 'v2', theirs);
    stand.vault.tamper(A, 'v2', last);
    await remove();
    expect(stand.values(A)).toEqual(stays);
  });
});
