import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES, item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const A = 'secret/data/a';
const B = 'secret/data/b';
const theirs = new Map([['theirs', '"precious"']]);
const put = (path: string, value = 'one', metadata: object = { finalizers: [DELETE_FINALIZER] }): void => {
  fixture.secret('x', { path, secrets: [item('a', value)] }, metadata);
};
const remove = async (): Promise<void> => {
  fixture.delete(SECRET_KIND, 'x');
  await fixture.reconcile('x', 'edit');
  expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
};

describe('a path that changes', () => {
  it.each([1, 2])('never overwrites version %s of somebody else that it may not read', async (versions) => {
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

  it('is written without reading where the new path is empty, whatever version the old path had', async () => {
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

  it('names the version that it replaced at the new path', async () => {
    put(A);
    await fixture.reconcile('x');
    fixture.vault.tamper(B, 'v2', theirs);
    put(B);
    await fixture.reconcile('x', 'edit');
    expect(fixture.messages('ExistingValueReplaced')).toEqual([expect.stringContaining(`version 1 at ${B}`)]);
  });

  it('names what a lost status patch left behind when the path changes again', async () => {
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
    expect(fixture.messages('PathChanged').join('\n')).toContain(`${B} stays in Vault`);
    expect(fixture.cache.secret('default', 'x')?.status?.claim).toBeUndefined();
    await remove();
    expect([fixture.values(A), fixture.values(B), fixture.values('secret/data/c')]).toEqual([
      { a: 'one' },
      { a: 'one' },
      undefined,
    ]);
  });
});

describe('a write to a path that changes its owner', () => {
  it.each(ENGINES)(
    'is not sent by the old owner, even if it was decrypting, on %s',
    async (engineVersion) => {
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
    },
  );

  it.each(ENGINES.flatMap((engine) => [false, true].map((unread) => ({ engine, unread }))))(
    'is not sent by the old owner at the last moment, on $engine, without read permission: $unread',
    async ({ engine, unread }) => {
      const path = engine === 'v1' ? 'kv/same' : 'secret/data/same';
      const spec = { kvSettings: { engineVersion: engine }, secrets: [item('a', 'older')] };
      if (unread) fixture.vault.writeOnly.add(path);
      fixture.secret('older', { ...spec, path });
      const open = fixture.vault.open.bind(fixture.vault);
      fixture.vault.open = async (...parameters) => {
        const kv = await open(...parameters);
        return {
          ...kv,
          write: async (...write) => {
            fixture.secret('older', { ...spec, path: `${path}-moved` });
            return await kv.write(...write);
          },
        };
      };
      const { result } = await fixture.reconcile('older', 'edit');
      expect([result, fixture.values(path, engine)]).toEqual(['superseded', undefined]);
      expect([...fixture.requeued.keys()]).toEqual(['KMSVaultSecret/default/older']);
    },
  );

  it.each(['answered', 'lost'] as const)(
    'that was in flight when the owner changed, its answer %s, is corrected by the new owner',
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
