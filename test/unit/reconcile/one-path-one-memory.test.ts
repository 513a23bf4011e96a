import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { refOf } from '../../../src/api/resource-key.js';
import type { EngineVersion, KMSVaultSecret } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const B = 'secret/data/b';
const ENGINES: EngineVersion[] = ['v1', 'v2'];
const item = (key: string, value: string): { key: string; encryptedSecret: string } => ({
  key,
  encryptedSecret: FakeKms.encrypt(value),
});
const theirs = new Map([['theirs', '"precious"']]);
const reasons = (): string[] => fixture.events.map((event) => event.reason);
const messages = (reason: string): string[] =>
  fixture.events.filter((event) => event.reason === reason).map((event) => event.message);
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

describe('a path that changes', () => {
  it.each([1, 2])("never overwrites unread a stranger's version %s", async (versions) => {
    fixture.vault.writeOnly.add(A).add(B);
    put(A);
    await fixture.reconcile('x');
    for (let version = 0; version < versions; version += 1) fixture.vault.tamper(B, 'v2', theirs);
    put(B);
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(B)).toEqual({ theirs: 'precious' });
    expect(fixture.ready('x')?.reason).toBe('VaultForbidden');
    expect(fixture.ready('x')?.message).toContain('check-and-set 0');
  });

  it('is written unread where nothing stands, whatever version the old path had', async () => {
    fixture.vault.writeOnly.add(A).add(B);
    put(A);
    await fixture.reconcile('x');
    put(A, 'two');
    await fixture.reconcile('x', 'edit');
    put(B, 'two');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(B)).toEqual({ a: 'two' });
    expect(fixture.ready('x')?.reason).toBe('Synced');
  });

  it("says which version gave way at somebody's secret", async () => {
    put(A);
    await fixture.reconcile('x');
    fixture.vault.tamper(B, 'v2', theirs);
    put(B);
    await fixture.reconcile('x', 'edit');
    expect(messages('ExistingValueReplaced')).toEqual([expect.stringContaining(`version 1 at ${B}`)]);
  });

  it('names what a claim left behind when the path changes again', async () => {
    put(A);
    await fixture.reconcile('x');
    put(B);
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    await fixture.reconcile('x', 'edit');
    fixture.restart();
    fixture.apiDown = false;
    fixture.vault.onChange = (): void => undefined;
    put('secret/data/c');
    await fixture.reconcile('x', 'edit');
    expect(messages('PathChanged').join('\n')).toContain(`${B} stays in Vault`);
    expect(fixture.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    await remove();
    expect([fixture.values(A), fixture.values(B), fixture.values('secret/data/c')]).toEqual([
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
      fixture.secret('older', { path: at, kvSettings, secrets: [item('a', 'older')] });
    };
    older(path);
    fixture.secret('younger', { path, kvSettings, secrets: [item('a', 'younger')] });
    const decrypt = fixture.kms.decrypt.bind(fixture.kms);
    let moved = false;
    fixture.kms.decrypt = async (request): Promise<string> => {
      if (!moved) {
        moved = true;
        older(other);
        await fixture.reconcile('younger', 'edit');
      }
      return await decrypt(request);
    };
    await fixture.reconcile('older', 'edit');
    expect(fixture.values(path, engineVersion)).toEqual({ a: 'younger' });
    expect([...fixture.requeued.keys()].sort()).toEqual([
      'KMSVaultSecret/default/older',
      'KMSVaultSecret/default/younger',
    ]);
  });

  it.each(['answered', 'lost'] as const)(
    'a write that was on its way when the path changed hands, its answer %s, is put right by the new owner, read or unread',
    async (answer) => {
      for (const unread of [false, true]) {
        fixture = new ReconcileFixture();
        const kvSettings = { engineVersion: 'v1' as const };
        const path = 'kv/same';
        if (unread) fixture.vault.writeOnly.add(path);
        fixture.secret('older', { path, kvSettings, secrets: [item('a', 'older')] });
        fixture.secret('younger', { path, kvSettings, secrets: [item('a', 'younger')] });
        const open = fixture.vault.open.bind(fixture.vault);
        let moved = false;
        fixture.vault.open = async (at, engine) => {
          const kv = await open(at, engine);
          return {
            ...kv,
            write: async (data, cas, options) => {
              if (moved || at !== path) return await kv.write(data, cas, options);
              options?.guard?.();
              moved = true;
              fixture.secret('older', { path: 'kv/other', kvSettings, secrets: [item('a', 'older')] });
              await fixture.reconcile('younger', 'edit');
              // It was sent before, and reaches Vault after the new owner's.
              await kv.write(data, cas);
              if (answer === 'lost') throw new VaultError('unavailable', 'no answer');
              return undefined;
            },
          };
        };
        await fixture.reconcile('older', 'edit');
        expect(fixture.values(path, 'v1')).toEqual({ a: 'older' });
        for (const { key, priority } of [...fixture.requeued.values()]) {
          await fixture.reconcile(key.name, priority, key.kind);
        }
        expect(fixture.values(path, 'v1')).toEqual({ a: 'younger' });
        expect(fixture.values('kv/other', 'v1')).toEqual({ a: 'older' });
        expect([fixture.ready('younger')?.reason, fixture.ready('older')?.reason]).toEqual([
          'Synced',
          'Synced',
        ]);
      }
    },
  );
});

describe('a claim', () => {
  it('is recorded before the first write to a path, and costs one patch once', async () => {
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

  it('comes before the write: without it nothing is written', async () => {
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

  it('holds up nothing where RBAC does not let the status be patched', async () => {
    fixture.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await fixture.reconcile('x');
    expect(fixture.values(A)).toEqual({ a: 'one' });
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('without a way to read what became of it keeps the value, and tells how to delete it', async () => {
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
    expect(messages('SecretKept').join('\n')).toContain('vault kv metadata delete secret/a');
  });

  it('waits for KMS and Vault when only they can tell whose value it is', async () => {
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
    expect(reasons()).toContain('DeletionFailed');
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
    expect(reasons()).toContain('SecretDeleted');
  });

  it('is known to the process where the CRD keeps nothing of it', async () => {
    fixture.updateStatus = () => Promise.resolve({ outcome: 'forbidden' });
    put(A);
    await fixture.reconcile('x');
    put(B);
    await fixture.reconcile('x', 'edit');
    await remove();
    expect([fixture.values(A), fixture.values(B)]).toEqual([{ a: 'one' }, undefined]);
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
      expect(messages('SecretKept').join('\n')).toContain('to delete it by hand: vault ');
    },
  );

  it('counts for a spec that never changed', async () => {
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

  it('counts where Vault holds what the resource would write', async () => {
    keepOnly('created');
    put(A, 'zero');
    await fixture.reconcile('x');
    put(A);
    await fixture.reconcile('x', 'edit');
    fixture.restart();
    await remove();
    expect(fixture.values(A)).toBeUndefined();
  });

  it('is not given up while permissions may still come', async () => {
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

  it('empties no v1 secret at a path it moved to', async () => {
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

describe('a finalizer', () => {
  it('lets an heir that came after the path was opened have the value', async () => {
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
    expect(messages('SecretKept').join('\n')).toContain('default/heir');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
  });

  it('that was removed by hand leaves nothing behind that a later one would act on', async () => {
    put(A, 'one', { finalizers: [DELETE_FINALIZER, 'example.com/other'] });
    await fixture.reconcile('x');
    fixture.delete(SECRET_KIND, 'x');
    const original = fixture.removeFinalizer.bind(fixture);
    fixture.removeFinalizer = () => Promise.resolve({ outcome: 'forbidden' });
    expect((await fixture.reconcile('x', 'edit')).result).toBe('error');
    await original(refOf(fixture.find(SECRET_KIND, 'x') as KMSVaultSecret));
    expect((await fixture.reconcile('x')).result).toBe('deleted');
    // The same uid again: whatever stands there now was not deleted by anybody.
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
