import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorStand } from '../support/operator-stand.js';
import { eventually } from '../support/wait.js';

/** The table of "Disaster recovery" in docs/runbooks.md. */
describe('a Vault that was lost', () => {
  let stand: OperatorStand;

  beforeEach(async () => {
    stand = await OperatorStand.prepare();
  });

  afterEach(async () => {
    await stand.close();
  });

  const apply = async (path: string, kvSettings: Json, value: string): Promise<void> => {
    const secrets = [{ key: 'a', encryptedSecret: stand.encrypt(value) }];
    await stand.kube.apply(stand.secret('one', { path, kvSettings, secrets }));
  };
  const version = async (): Promise<number | undefined> => (await stand.get('one')).status.vaultVersion;

  it('is filled from git, on K/V v1', async () => {
    await apply('kv/one', { engineVersion: 'v1' }, 'x');
    await stand.start();
    await stand.inVault('kv/one', { a: 'x' });
  });

  it('is filled from git on K/V v2, and versions are counted from 1', async () => {
    await apply('secret/data/one', { engineVersion: 'v2' }, 'x');
    await stand.start();
    await stand.reason('one', 'Synced');
    await stand.inVault('secret/data/one', { a: 'x' });
    expect(await version()).toBe(1);
  });

  it('is filled whatever casIndex is; later changes are written until Vault has reached it', async () => {
    const pinned = { engineVersion: 'v2', casIndex: 3 };
    await apply('secret/data/one', pinned, 'first');
    await stand.start(['--sync-period-seconds=1']);
    for (const [value, expected] of [
      ['first', 1],
      ['second', 2],
    ] as const) {
      await apply('secret/data/one', pinned, value);
      await stand.inVault('secret/data/one', { a: value });
      await stand.reason('one', 'Synced');
      expect([value, await version()]).toEqual([value, expected]);
    }
    await apply('secret/data/one', pinned, 'third');
    // Version 3 is the one that casIndex 3 replaces: from then on index and version are in step.
    await eventually('version 4', async () => (await version()) === 4);
    await stand.inVault('secret/data/one', { a: 'third' });
    await apply('secret/data/one', pinned, 'fourth');
    await stand.reason('one', 'CasIndexStale');
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 4 }, 'fourth');
    await stand.inVault('secret/data/one', { a: 'fourth' });
  });

  it('that was restored to an older version says which casIndex would do', async () => {
    for (const value of ['1', '2']) await stand.vault.write('secret/data/one', { data: { a: value } });
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 5 }, 'x');
    await stand.start();
    expect((await stand.reason('one', 'CasIndexStale')).message).toContain('set casIndex to 2');
    await stand.inVault('secret/data/one', { a: '2' });
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 2 }, 'x');
    await stand.inVault('secret/data/one', { a: 'x' });
  });
});
