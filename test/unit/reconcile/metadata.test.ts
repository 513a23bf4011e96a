import { beforeEach, describe, expect, it } from '@jest/globals';

import type { KvSettings, MetadataSettings } from '../../../src/api/resources.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

const PATH = 'secret/data/x';
let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const put = (metadata: MetadataSettings, settings: Partial<KvSettings> = {}): void => {
  fixture.secret('x', {
    path: PATH,
    kvSettings: { engineVersion: 'v2', metadata, ...settings },
    secrets: [item('a', 'one')],
  });
};
const custom = (path = PATH): Record<string, string> =>
  Object.fromEntries(fixture.vault.metadataOf(path)?.customMetadata ?? []);
const denied = (): VaultError =>
  new VaultError('forbidden', 'Vault does not allow this token to read secret/metadata/x (HTTP 403)', {
    status: 403,
    path: 'secret/metadata/x',
  });

describe('spec.kvSettings.metadata', () => {
  it('is written with the first version, and never again while Vault has it', async () => {
    put({ maxVersions: 5, deleteVersionAfter: '36h', casRequired: true, customMetadata: { team: 'web' } });
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.metadataOf(PATH)).toEqual({
      maxVersions: 5,
      deleteVersionAfterSeconds: 129_600,
      casRequired: true,
      customMetadata: new Map([['team', 'web']]),
    });
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    const { writes, metadataReads, reads } = fixture.vault;
    fixture.restart();
    await fixture.reconcile('x');
    await fixture.reconcile('x');
    expect(fixture.vault.writes).toBe(writes);
    // One reading of the data and one of the metadata for each.
    expect([fixture.vault.reads - reads, fixture.vault.metadataReads - metadataReads]).toEqual([2, 2]);
  });

  it('needs no request of its own for custom metadata that the reading of the data shows', async () => {
    put({ customMetadata: { team: 'web' } });
    await fixture.reconcile('x', 'edit');
    const { metadataReads } = fixture.vault;
    await fixture.reconcile('x');
    expect(fixture.vault.metadataReads).toBe(metadataReads);
  });

  it('is neither read nor written when it is absent', async () => {
    fixture.secret('x', { path: PATH, secrets: [item('a', 'one')] });
    await fixture.reconcile('x', 'edit');
    fixture.vault.tamperMetadata(PATH, { maxVersions: 3, customMetadata: new Map([['theirs', '1']]) });
    await fixture.reconcile('x');
    expect(fixture.vault).toMatchObject({ metadataReads: 0, metadataWrites: 0 });
    expect(custom()).toEqual({ theirs: '1' });
  });

  it('decrypts nothing and makes no version when only the metadata are edited', async () => {
    put({ maxVersions: 5 });
    await fixture.reconcile('x', 'edit');
    const { asked } = fixture.kms;
    put({ maxVersions: 7 });
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.metadataOf(PATH)?.maxVersions).toBe(7);
    expect(fixture.kms.asked).toBe(asked);
    expect(fixture.vault.v2.get(PATH)?.versions).toHaveLength(1);
    expect(fixture.messages('SecretUpdated')).toEqual([`Updated the metadata of secret x at ${PATH}`]);
  });

  it('puts back what another client changed, its keys included', async () => {
    put({ maxVersions: 5, customMetadata: { team: 'web' } });
    await fixture.reconcile('x', 'edit');
    fixture.vault.tamperMetadata(PATH, {
      maxVersions: 1,
      customMetadata: new Map([
        ['team', 'other'],
        ['__proto__', 'x'],
      ]),
    });
    await fixture.reconcile('x');
    expect(fixture.vault.metadataOf(PATH)).toMatchObject({
      maxVersions: 5,
      customMetadata: new Map([['team', 'web']]),
    });
    expect(fixture.messages('DriftRepaired')).toEqual([
      `Restored the metadata of ${PATH}, which another client had changed in Vault`,
    ]);
  });

  it('leaves a field that is removed from the spec as it is', async () => {
    put({ maxVersions: 5, casRequired: true });
    await fixture.reconcile('x', 'edit');
    put({ casRequired: true });
    fixture.vault.tamperMetadata(PATH, { maxVersions: 9 });
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.metadataOf(PATH)).toMatchObject({ maxVersions: 9, casRequired: true });
  });

  it.each(['36h', '35h60m', '129600', '2160m', '129600.4s'])(
    'compares durations by meaning: %s',
    async (deleteVersionAfter) => {
      put({ deleteVersionAfter });
      fixture.vault.tamperMetadata(PATH, { deleteVersionAfterSeconds: 129_600 });
      await fixture.reconcile('x', 'edit');
      expect(fixture.vault.metadataWrites).toBe(0);
    },
  );

  it('goes before the data if the first version must expire, and after them otherwise', async () => {
    const order: string[] = [];
    const watch = (): void => {
      fixture.vault.onChange = (path): void => {
        const { versions = [] } = fixture.vault.v2.get(path) ?? {};
        order.push(`${String(versions.length)} versions`);
      };
    };
    watch();
    put({ deleteVersionAfter: '1h' });
    await fixture.reconcile('x', 'edit');
    expect(order).toEqual(['0 versions', '1 versions']);
    order.length = 0;
    fixture.secret('y', {
      path: 'secret/data/y',
      kvSettings: { engineVersion: 'v2', metadata: { maxVersions: 2 } },
      secrets: [item('a', 'one')],
    });
    await fixture.reconcile('y', 'edit');
    expect(order).toEqual(['1 versions', '1 versions']);
  });

  it('raises maxVersions before the write that would drop a version', async () => {
    put({ maxVersions: 1 });
    await fixture.reconcile('x', 'edit');
    let atWrite: number | undefined;
    fixture.vault.beforeWrite = (): void => {
      atWrite = fixture.vault.metadataOf(PATH)?.maxVersions;
    };
    fixture.secret('x', {
      path: PATH,
      kvSettings: { engineVersion: 'v2', metadata: { maxVersions: 4 } },
      secrets: [item('a', 'two')],
    });
    await fixture.reconcile('x', 'edit');
    expect(atWrite).toBe(4);
  });

  it('explains a version that has expired by the resource, and no other one', async () => {
    put({ deleteVersionAfter: '1h' });
    await fixture.reconcile('x', 'edit');
    fixture.vault.lose(PATH, 'version');
    await fixture.reconcile('x');
    expect(fixture.values(PATH)).toEqual({ a: 'one' });
    expect(fixture.messages('DriftRepaired')).toEqual([]);
    expect(fixture.messages('SecretUpdated')).toEqual([`Updated secret x at ${PATH}`]);
    put({ deleteVersionAfter: '0s' });
    await fixture.reconcile('x', 'edit');
    fixture.vault.lose(PATH, 'version');
    await fixture.reconcile('x');
    expect(fixture.messages('DriftRepaired')).toHaveLength(1);
  });

  it('is not written on v1', async () => {
    fixture.secret('x', {
      path: 'kv/x',
      kvSettings: { engineVersion: 'v1', metadata: { maxVersions: 2 } },
      secrets: [item('a', 'one')],
    });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    expect(fixture.vault.metadataReads).toBe(0);
  });
});

describe('a resource that may not write its data', () => {
  const expectUntouched = (): void => {
    expect(fixture.vault).toMatchObject({ metadataReads: 0, metadataWrites: 0 });
  };
  const metadata: MetadataSettings = { maxVersions: 2, deleteVersionAfter: '1h', customMetadata: { a: 'b' } };

  it('leaves the metadata alone when nothing could be decrypted', async () => {
    fixture.secret('x', {
      path: PATH,
      kvSettings: { engineVersion: 'v2', metadata },
      secrets: [bad('a')],
    });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('DecryptionFailed');
    expect(fixture.vault.v2.has(PATH)).toBe(false);
    expectUntouched();
  });

  it('leaves the metadata alone when its casIndex is stale', async () => {
    fixture.vault.tamper(PATH, 'v2', new Map([['theirs', '"1"']]));
    fixture.vault.tamper(PATH, 'v2', new Map([['theirs', '"2"']]));
    put(metadata, { casIndex: 1 });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('CasIndexStale');
    expectUntouched();
  });

  it('leaves the metadata alone when an older resource owns the path', async () => {
    fixture.secret('older', { path: PATH, secrets: [item('a', 'theirs')] });
    await fixture.reconcile('older', 'edit');
    put(metadata);
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('PathConflict');
    expectUntouched();
  });

  it('leaves the metadata alone when they are not valid, and names the field', async () => {
    put({ ...metadata, customMetadata: { '': 'x' } });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toMatchObject({
      reason: 'InvalidSpec',
      message: 'spec.kvSettings.metadata.customMetadata has an empty key',
    });
    expectUntouched();
  });

  it('stops before the metadata when it loses the path in between', async () => {
    put({ maxVersions: 2 });
    fixture.vault.onChange = (): void => {
      fixture.secret('x', { path: 'secret/data/elsewhere', secrets: [item('a', 'one')] });
    };
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.metadataWrites).toBe(0);
    // The write of the data is reported all the same.
    expect(fixture.reasons()).toContain('SecretCreated');
  });
});

describe('metadata that Vault refuses', () => {
  it('do not keep the data from being written, and the message says which permission is missing', async () => {
    fixture.vault.metadataFailure = denied();
    put({ maxVersions: 2, deleteVersionAfter: '1h' });
    const outcome = await fixture.reconcile('x', 'edit');
    expect(outcome.result).toBe('blocked');
    expect(fixture.values(PATH)).toEqual({ a: 'one' });
    expect(fixture.ready('x')).toMatchObject({
      status: 'False',
      reason: 'VaultForbidden',
      message:
        'the values are in Vault, but the metadata are not as described: Vault does not allow this token to read ' +
        'secret/metadata/x (HTTP 403); grant create, read and update on secret/metadata/x, or remove ' +
        'spec.kvSettings.metadata',
    });
    // At the next resync.
    fixture.vault.metadataFailure = undefined;
    await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    expect(fixture.vault.metadataOf(PATH)?.maxVersions).toBe(2);
  });

  it('are tried again soon after an outage, and the write of the data is reported', async () => {
    fixture.vault.metadataFailure = new VaultError('unavailable', 'Vault is sealed');
    put({ maxVersions: 2 });
    const outcome = await fixture.reconcile('x', 'edit');
    expect(outcome.result).toBe('error');
    expect(fixture.ready('x')?.reason).toBe('VaultUnavailable');
    expect(fixture.cache.secret('default', 'x')?.status?.created).toBe(true);
    fixture.vault.metadataFailure = undefined;
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')?.reason).toBe('Synced');
  });

  it('do not change the condition of an unchanged resource in an outage', async () => {
    put({ maxVersions: 2 });
    await fixture.reconcile('x', 'edit');
    fixture.vault.metadataFailure = new VaultError('unavailable', 'Vault is sealed');
    const outcome = await fixture.reconcile('x');
    expect(outcome.result).toBe('error');
    expect(fixture.ready('x')?.reason).toBe('Synced');
  });
});
