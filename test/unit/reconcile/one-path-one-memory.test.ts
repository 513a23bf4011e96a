import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import type { EngineVersion, KMSVaultSecret } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

let stand: ReconcileStand;

beforeEach(() => {
  stand = new ReconcileStand();
});

const A = 'secret/data/a';
const B = 'secret/data/b';
const ENGINES: EngineVersion[] = ['v1', 'v2'];
const item = (key: string, value: string): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(value),
});
const theirs = new Map([['theirs', '"precious"']]);
const reasons = (): string[] => stand.events.map((event) => event.reason);
const messages = (reason: string): string[] =>
  stand.events.filter((event) => event.reason === reason).map((event) => event.message);
const put = (path: string, value = 'one', metadata: object = { finalizers: [DELETE_FINALIZER] }): void => {
  stand.secret('x', { path, secrets: [item('a', value)] }, metadata);
};
const remove = async (): Promise<void> => {
  stand.delete(SECRET_KIND, 'x');
  await stand.reconcile('x', 'edit');
  expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
};

/** What an older CRD keeps of every status. */
function keepOnly(...fields: (keyof NonNullable<KMSVaultSecret['status']>)[]): void {
  const original = stand.updateStatus.bind(stand);
  stand.updateStatus = (key, desired) =>
    original(key, (current, latest) => {
      const wanted = desired(current, latest) as Record<string, unknown>;
      return Object.fromEntries(fields.flatMap((field) => (field in wanted ? [[field, wanted[field]]] : [])));
    });
}

describe('a path that changes', () => {
  it.each([1, 2])("never overwrites unread a stranger's version %s", async (versions) => {
    stand.vault.writeOnly.add(A).add(B);
    put(A);
    await stand.reconcile('x');
    for (let version = 0; version < versions; version += 1) stand.vault.tamper(B, 'v2', theirs);
    put(B);
    await stand.reconcile('x', 'edit');
    expect(stand.values(B)).toEqual({ theirs: 'precious' });
    expect(stand.ready('x')?.reason).toBe('VaultForbidden');
    expect(stand.ready('x')?.message).toContain('check-and-set 0');
  });

  it('is written unread where nothing stands, whatever version the old path had', async () => {
    stand.vault.writeOnly.add(A).add(B);
    put(A);
    await stand.reconcile('x');
    put(A, 'two');
    await stand.reconcile('x', 'edit');
    put(B, 'two');
    await stand.reconcile('x', 'edit');
    expect(stand.values(B)).toEqual({ a: 'two' });
    expect(stand.ready('x')?.reason).toBe('Synced');
  });

  it("says which version gave way at somebody's secret", async () => {
    put(A);
    await stand.reconcile('x');
    stand.vault.tamper(B, 'v2', theirs);
    put(B);
    await stand.reconcile('x', 'edit');
    expect(messages('ExistingValueReplaced')).toEqual([expect.stringContaining(`version 1 at ${B}`)]);
  });

  it('names what a claim left behind when the path changes again', async () => {
    put(A);
    await stand.reconcile('x');
    put(B);
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x', 'edit');
    stand.restart();
    stand.apiDown = false;
    stand.vault.onChange = (): void => undefined;
    put('secret/data/c');
    await stand.reconcile('x', 'edit');
    expect(messages('PathChanged').join('\n')).toContain(`${B} stays in Vault`);
    expect(stand.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    await remove();
    expect([stand.values(A), stand.values(B), stand.values('secret/data/c')]).toEqual([
      { a: 'one' },
      { a: 'one' },
      undefined,
    ]);
  });
});

describe('who may write', () => {
  it.each(ENGINES)('is asked of the cache when the request goes out, on %s', async (engineVersion) => {
    const path = engineVersion === 'v1' ? 'kv/same' : 'secret/data/same';
    const other = engineVersion === 'v1' ? 'kv/other' : 'secret/data/other';
    const kvSettings = { engineVersion };
    const older = (at: string): void => {
      stand.secret('older', { path: at, kvSettings, secrets: [item('a', 'older')] });
    };
    older(path);
    stand.secret('younger', { path, kvSettings, secrets: [item('a', 'younger')] });
    const decrypt = stand.kms.decrypt.bind(stand.kms);
    let moved = false;
    stand.kms.decrypt = async (request): Promise<string> => {
      if (!moved) {
        moved = true;
        older(other);
        await stand.reconcile('younger', 'edit');
      }
      return await decrypt(request);
    };
    await stand.reconcile('older', 'edit');
    expect(stand.values(path, engineVersion)).toEqual({ a: 'younger' });
    expect([...stand.requeued.keys()].sort()).toEqual([
      'KMSVaultSecret/default/older',
      'KMSVaultSecret/default/younger',
    ]);
  });

  it.each(['answered', 'lost'] as const)(
    'a write that was on its way when the path changed hands, its answer %s, is put right by the new owner, read or unread',
    async (answer) => {
      for (const unread of [false, true]) {
        stand = new ReconcileStand();
        const kvSettings = { engineVersion: 'v1' as const };
        const path = 'kv/same';
        if (unread) stand.vault.writeOnly.add(path);
        stand.secret('older', { path, kvSettings, secrets: [item('a', 'older')] });
        stand.secret('younger', { path, kvSettings, secrets: [item('a', 'younger')] });
        const open = stand.vault.open.bind(stand.vault);
        let moved = false;
        stand.vault.open = async (at, engine) => {
          const kv = await open(at, engine);
          return {
            ...kv,
            write: async (data, cas, options) => {
              if (moved || at !== path) return await kv.write(data, cas, options);
              options?.guard?.();
              moved = true;
              stand.secret('older', { path: 'kv/other', kvSettings, secrets: [item('a', 'older')] });
              await stand.reconcile('younger', 'edit');
              // It was sent before, and reaches Vault after the new owner's.
              await kv.write(data, cas);
              if (answer === 'lost') throw new VaultError('unavailable', 'no answer');
              return undefined;
            },
          };
        };
        await stand.reconcile('older', 'edit');
        expect(stand.values(path, 'v1')).toEqual({ a: 'older' });
        for (const { key, priority } of [...stand.requeued.values()]) {
          await stand.reconcile(key.name, priority, key.kind);
        }
        expect(stand.values(path, 'v1')).toEqual({ a: 'younger' });
        expect(stand.values('kv/other', 'v1')).toEqual({ a: 'older' });
        expect([stand.ready('younger')?.reason, stand.ready('older')?.reason]).toEqual(['Synced', 'Synced']);
      }
    },
  );
});

describe('a claim', () => {
  it('is recorded before the first write to a path, and costs one patch once', async () => {
    const claims: unknown[] = [];
    stand.vault.onChange = (): void => {
      claims.push(stand.cache.secret('default', 'x')?.status?.claim);
    };
    put(A);
    await stand.reconcile('x');
    expect(claims).toEqual([
      {
        path: A,
        engineVersion: 'v2',
        held: 'nothing',
        vaultVersion: 0,
        inputsHash: expect.stringMatching(/^sha256:/) as unknown,
      },
    ]);
    expect(stand.statusPatches).toBe(2);
    expect(stand.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    put(A, 'two');
    await stand.reconcile('x', 'edit');
    expect(stand.statusPatches).toBe(3);
  });

  it('comes before the write: without it nothing is written', async () => {
    put(A);
    const original = stand.updateStatus.bind(stand);
    let down = true;
    stand.updateStatus = (...parameters) => {
      stand.apiDown = down;
      return original(...parameters);
    };
    expect(await stand.reconcile('x')).toMatchObject({ result: 'error' });
    expect(stand.vault.writes).toBe(0);
    down = false;
    stand.apiDown = false;
    await stand.reconcile('x');
    expect(stand.values(A)).toEqual({ a: 'one' });
  });

  it('holds up nothing where RBAC does not let the status be patched', async () => {
    stand.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await stand.reconcile('x');
    expect(stand.values(A)).toEqual({ a: 'one' });
    await remove();
    expect(stand.values(A)).toBeUndefined();
  });

  it('without a way to read what became of it keeps the value, and tells how to delete it', async () => {
    stand.vault.writeOnly.add(A);
    put(A);
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x');
    stand.restart();
    stand.apiDown = false;
    await remove();
    expect(stand.values(A)).toEqual({ a: 'one' });
    expect(messages('SecretKept').join('\n')).toContain('vault kv metadata delete secret/a');
  });

  it('waits for KMS and Vault when only they can tell whose value it is', async () => {
    put(A);
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x');
    stand.restart();
    stand.apiDown = false;
    stand.vault.onChange = (): void => undefined;
    stand.delete(SECRET_KIND, 'x');
    for (const fault of [stand.kms, stand.vault]) {
      fault.down = true;
      expect((await stand.reconcile('x', 'edit')).result).toBe('error');
      expect(stand.ready('x')?.reason).toBe('Deleting');
      fault.down = false;
    }
    expect(reasons()).toContain('DeletionFailed');
    await stand.reconcile('x', 'edit');
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(stand.values(A)).toBeUndefined();
  });
});

describe('a written value whose status patch failed', () => {
  it.each(['in one process', 'in another process'])('is deleted with the finalizer, %s', async (where) => {
    put(A);
    stand.vault.onChange = (): void => {
      stand.apiDown = true;
    };
    await stand.reconcile('x');
    stand.apiDown = false;
    stand.vault.onChange = (): void => undefined;
    if (where === 'in another process') stand.restart();
    await remove();
    expect(stand.values(A)).toBeUndefined();
    expect(reasons()).toContain('SecretDeleted');
  });

  it('is known to the process where the CRD keeps nothing of it', async () => {
    stand.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await stand.reconcile('x');
    put(B);
    await stand.reconcile('x', 'edit');
    await remove();
    expect([stand.values(A), stand.values(B)]).toEqual([{ a: 'one' }, undefined]);
  });
});

describe('`created` without a path', () => {
  const v1 = { engineVersion: 'v1' as const };

  it.each(ENGINES)(
    "never deletes a stranger's secret at a path it moved to, on %s",
    async (engineVersion) => {
      keepOnly('created', 'observedGeneration');
      const [from, to] = engineVersion === 'v1' ? ['kv/a', 'kv/b'] : [A, B];
      const spec = { kvSettings: { engineVersion }, secrets: [item('a', 'one')] };
      const finalizers = { finalizers: [DELETE_FINALIZER] };
      stand.secret('x', { ...spec, path: from }, finalizers);
      await stand.reconcile('x');
      stand.restart();
      stand.vault.tamper(to, engineVersion, theirs);
      stand.vault.writeOnly.add(to);
      stand.secret('x', { ...spec, path: to, includeSecrets: ['missing'] });
      // Refused, and it says so for this generation.
      await stand.reconcile('x', 'edit');
      expect(stand.ready('x')).toBeUndefined();
      stand.vault.writeOnly.clear();
      await remove();
      expect(stand.values(to, engineVersion)).toEqual({ theirs: 'precious' });
      expect(messages('SecretKept').join('\n')).toContain('to delete it by hand: vault ');
    },
  );

  it('counts for a spec that never changed', async () => {
    keepOnly('created');
    stand.vault.tamper(A, 'v2', new Map([['a', '"by the Go operator"']]));
    put(A);
    const secret = stand.cache.secret('default', 'x');
    if (secret === undefined) throw new Error('there is no x');
    await stand.updateStatus(refOf(secret), () => ({ created: true }));
    expect(secret.metadata.generation).toBe(1);
    await remove();
    expect(stand.values(A)).toBeUndefined();
  });

  it('counts where Vault holds what the resource would write', async () => {
    keepOnly('created');
    put(A, 'zero');
    await stand.reconcile('x');
    put(A);
    await stand.reconcile('x', 'edit');
    stand.restart();
    await remove();
    expect(stand.values(A)).toBeUndefined();
  });

  it('is not given up while permissions may still come', async () => {
    keepOnly('created');
    put(A, 'zero');
    await stand.reconcile('x');
    put(A);
    await stand.reconcile('x', 'edit');
    stand.restart();
    stand.vault.notReplicated = true;
    stand.delete(SECRET_KIND, 'x');
    expect(await stand.reconcile('x', 'edit')).toMatchObject({ result: 'error' });
    expect(stand.find(SECRET_KIND, 'x')).toBeDefined();
    stand.vault.notReplicated = false;
    await remove();
    expect(stand.values(A)).toBeUndefined();
  });

  it('empties no v1 secret at a path it moved to', async () => {
    keepOnly('created');
    stand.secret('x', { path: 'kv/a', kvSettings: v1, secrets: [item('a', 'one')] });
    await stand.reconcile('x');
    stand.restart();
    for (const unread of [false, true]) {
      stand.vault.tamper('kv/b', 'v1', theirs);
      if (unread) stand.vault.writeOnly.add('kv/b');
      stand.secret('x', { path: 'kv/b', kvSettings: v1, secrets: [] });
      await stand.reconcile('x', 'edit');
      expect(stand.values('kv/b', 'v1')).toEqual({ theirs: 'precious' });
    }
  });
});

describe('a finalizer', () => {
  it('lets an heir that came after the path was opened have the value', async () => {
    put(A);
    await stand.reconcile('x');
    stand.delete(SECRET_KIND, 'x');
    const open = stand.vault.open.bind(stand.vault);
    stand.vault.open = async (...parameters) => {
      const kv = await open(...parameters);
      stand.secret('heir', { path: A, secrets: [item('a', 'one')] });
      return kv;
    };
    await stand.reconcile('x', 'edit');
    expect(stand.values(A)).toEqual({ a: 'one' });
    expect(messages('SecretKept').join('\n')).toContain('default/heir');
    expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('that was removed by hand leaves nothing behind that a later one would act on', async () => {
    put(A, 'one', { finalizers: [DELETE_FINALIZER, 'example.com/other'] });
    await stand.reconcile('x');
    stand.delete(SECRET_KIND, 'x');
    const original = stand.removeFinalizer.bind(stand);
    stand.removeFinalizer = () => Promise.resolve({ outcome: 'forbidden' });
    expect((await stand.reconcile('x', 'edit')).result).toBe('error');
    await original(refOf(stand.find(SECRET_KIND, 'x') as KMSVaultSecret));
    expect((await stand.reconcile('x')).result).toBe('deleted');
    // The same uid again: whatever stands there now was not deleted by anybody.
    stand.vault.tamper(A, 'v2', new Map([['a', '"one"']]));
    const secret = stand.find(SECRET_KIND, 'x');
    expect(secret?.metadata.finalizers).toEqual(['example.com/other']);
    stand.removeFinalizer = original;
    stand.secret('x', { path: A, secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values(A)).toBeUndefined();
  });
});
