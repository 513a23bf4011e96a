import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const B = 'secret/data/b';
const put = (path: string, value = 'one', metadata: object = { finalizers: [DELETE_FINALIZER] }): void => {
  fixture.secret('x', { path, secrets: [item('a', value)] }, metadata);
};
const remove = async (): Promise<void> => {
  fixture.delete(SECRET_KIND, 'x');
  await fixture.reconcile('x', 'edit');
  expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
};

describe('a claim', () => {
  it('is recorded in the status before the first write to a path, with one extra patch', async () => {
    const claims: unknown[] = [];
    fixture.vault.onChange = (): void => {
      claims.push(fixture.cache.secret('default', 'x')?.status?.claim);
    };
    put(A);
    await fixture.reconcile('x');
    expect(claims).toEqual([
      {
        path: A,
        engineVersion: 'v2',
        held: 'nothing',
        vaultVersion: 0,
        inputsHash: expect.stringMatching(/^sha256:/) as unknown,
      },
    ]);
    expect(fixture.statusPatches).toBe(2);
    expect(fixture.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    put(A, 'two');
    await fixture.reconcile('x', 'edit');
    expect(fixture.statusPatches).toBe(3);
  });

  it('must be recorded first: nothing is written without it', async () => {
    put(A);
    const original = fixture.updateStatus.bind(fixture);
    let down = true;
    fixture.updateStatus = (...parameters) => {
      fixture.apiDown = down;
      return original(...parameters);
    };
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(fixture.vault.writes).toBe(0);
    down = false;
    fixture.apiDown = false;
    await fixture.reconcile('x');
    expect(fixture.values(A)).toEqual({ a: 'one' });
  });

  it('is skipped where RBAC forbids status patches', async () => {
    fixture.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await fixture.reconcile('x');
    expect(fixture.values(A)).toEqual({ a: 'one' });
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('keeps a value that cannot be read, and says how to delete it', async () => {
    fixture.vault.writeOnly.add(A);
    put(A);
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x');
    fixture.restart();
    fixture.apiDown = false;
    await remove();
    expect(fixture.values(A)).toEqual({ a: 'one' });
    expect(fixture.messages('SecretKept').join('\n')).toContain('vault kv metadata delete secret/a');
  });

  it('keeps the deletion waiting while KMS or Vault is needed to identify the value and is down', async () => {
    put(A);
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x');
    fixture.restart();
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    fixture.delete(SECRET_KIND, 'x');
    for (const fault of [fixture.kms, fixture.vault]) {
      fault.down = true;
      expect((await fixture.reconcile('x', 'edit')).result).toBe('error');
      expect(fixture.ready('x')?.reason).toBe('Deleting');
      fault.down = false;
    }
    expect(fixture.reasons()).toContain('DeletionFailed');
    await fixture.reconcile('x', 'edit');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(fixture.values(A)).toBeUndefined();
  });
});

describe('a written value whose status patch failed', () => {
  it.each(['in one process', 'in another process'])('is deleted with the finalizer, %s', async (where) => {
    put(A);
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x');
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    if (where === 'in another process') fixture.restart();
    await remove();
    expect(fixture.values(A)).toBeUndefined();
    expect(fixture.reasons()).toContain('SecretDeleted');
  });

  it('is remembered by the process where the status cannot be patched', async () => {
    fixture.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await fixture.reconcile('x');
    put(B);
    await fixture.reconcile('x', 'edit');
    await remove();
    expect([fixture.values(A), fixture.values(B)]).toEqual([{ a: 'one' }, undefined]);
  });
});
