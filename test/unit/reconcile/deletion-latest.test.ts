import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { KvSettings } from '../../../src/api/resources.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

const PATH = 'secret/data/x';
const theirs = new Map([['theirs', '"precious"']]);
let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

const put = (value = 'one', settings: Partial<KvSettings> = {}, path = PATH): void => {
  fixture.secret(
    'x',
    {
      path,
      kvSettings: { engineVersion: 'v2', deletion: 'latest', ...settings },
      secrets: [item('a', value)],
    },
    { finalizers: [DELETE_FINALIZER] },
  );
};
const remove = async (): Promise<void> => {
  fixture.delete(SECRET_KIND, 'x');
  await fixture.reconcile('x', 'edit');
};
const versions = (): { data: ReadonlyMap<string, string>; gone: boolean }[] =>
  (fixture.vault.v2.get(PATH)?.versions ?? []).map(({ data, gone }) => ({ data, gone }));

describe('deletion: latest', () => {
  it('deletes only the current version; history and metadata stay', async () => {
    put('one', { metadata: { customMetadata: { team: 'web' } } });
    await fixture.reconcile('x', 'edit');
    put('two', { metadata: { customMetadata: { team: 'web' } } });
    await fixture.reconcile('x', 'edit');
    await remove();
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(versions().map(({ gone }) => gone)).toEqual([false, true]);
    expect(fixture.vault.metadataOf(PATH)?.customMetadata.get('team')).toBe('web');
    expect(fixture.messages('SecretDeleted')).toEqual([
      `Deleted the current version of ${PATH} from Vault; older versions and the metadata stay`,
    ]);
  });

  it('keeps a current version that another client wrote', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    fixture.vault.tamper(PATH, 'v2', theirs);
    await remove();
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(versions().map(({ gone }) => gone)).toEqual([false, false]);
    expect(fixture.messages('SecretKept').join()).toContain('vault kv delete secret/x');
  });

  it('leaves a current version alone that is deleted already', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    fixture.vault.lose(PATH, 'version');
    const { writes } = fixture.vault;
    await remove();
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(fixture.vault.writes).toBe(writes);
  });

  it('does not delete what another client wrote between the deletion and a restart', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    fixture.vault.onChange = (): void => {
      fixture.apiDown = true;
    };
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    fixture.vault.onChange = (): void => undefined;
    fixture.apiDown = false;
    fixture.vault.tamper(PATH, 'v2', theirs);
    fixture.restart();
    await fixture.reconcile('x', 'edit');
    expect(fixture.find(SECRET_KIND, 'x')).toBeUndefined();
    expect(versions().map(({ gone }) => gone)).toEqual([true, false]);
  });

  it('deletes a version without a record in the status only if its content is its own', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    const secret = fixture.cache.secret('default', 'x');
    if (secret?.status === undefined) throw new Error('no status');
    delete secret.status.vaultVersion;
    delete secret.status.vaultVersionCreated;
    secret.status.path = PATH;
    fixture.restart();
    fixture.vault.tamper(PATH, 'v2', theirs);
    await remove();
    expect(versions().map(({ gone }) => gone)).toEqual([false, false]);
  });

  it('hands the path over to a resource that has it, too', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    fixture.secret('y', { path: PATH, secrets: [item('a', 'one')] });
    await remove();
    expect(versions().map(({ gone }) => gone)).toEqual([false]);
  });

  it('has no effect on v1, which has no versions', async () => {
    put('one', { engineVersion: 'v1' }, 'kv/x');
    await fixture.reconcile('x', 'edit');
    await remove();
    expect(fixture.values('kv/x', 'v1')).toBeUndefined();
  });

  it.each([undefined, 'all'] as const)('is not meant by %s', async (deletion) => {
    put('one', { ...(deletion === undefined ? {} : { deletion }) });
    const secret = fixture.cache.secret('default', 'x');
    if (deletion === undefined) delete secret?.spec.kvSettings.deletion;
    await fixture.reconcile('x', 'edit');
    await remove();
    expect(fixture.vault.v2.has(PATH)).toBe(false);
  });
});
