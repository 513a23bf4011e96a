import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

/** The table of "Disaster recovery" in docs/runbooks.md. */
describe('a Vault that was lost', () => {
  let fixture: OperatorFixture;

  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
  });

  afterEach(async () => {
    await fixture.close();
  });

  const apply = async (path: string, kvSettings: Json, value: string): Promise<void> => {
    const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt(value) }];
    await fixture.kube.apply(fixture.secret('one', { path, kvSettings, secrets }));
  };
  const version = async (): Promise<number | undefined> => (await fixture.get('one')).status.vaultVersion;

  it('is restored from git, on K/V v1', async () => {
    await apply('kv/one', { engineVersion: 'v1' }, 'x');
    await fixture.start();
    await fixture.inVault('kv/one', { a: 'x' });
  });

  it('is restored from git on K/V v2, with versions from 1', async () => {
    await apply('secret/data/one', { engineVersion: 'v2' }, 'x');
    await fixture.start();
    await fixture.reason('one', 'Synced');
    await fixture.inVault('secret/data/one', { a: 'x' });
    expect(await version()).toBe(1);
  });

  it('is restored with any casIndex; later changes are written until Vault reaches that version', async () => {
    const pinned = { engineVersion: 'v2', casIndex: 3 };
    await apply('secret/data/one', pinned, 'first');
    await fixture.start(['--sync-period-seconds=1']);
    for (const [value, expected] of [
      ['first', 1],
      ['second', 2],
    ] as const) {
      await apply('secret/data/one', pinned, value);
      await fixture.inVault('secret/data/one', { a: value });
      await fixture.reason('one', 'Synced');
      expect([value, await version()]).toEqual([value, expected]);
    }
    await apply('secret/data/one', pinned, 'third');
    // Version 3 is the one that casIndex 3 replaces: from then on index and version are in step.
    await eventually('version 4', async () => (await version()) === 4);
    await fixture.inVault('secret/data/one', { a: 'third' });
    await apply('secret/data/one', pinned, 'fourth');
    await fixture.reason('one', 'CasIndexStale');
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 4 }, 'fourth');
    await fixture.inVault('secret/data/one', { a: 'fourth' });
  });

  it('restored to an older version, reports the casIndex to set', async () => {
    for (const value of ['1', '2']) await fixture.vault.write('secret/data/one', { data: { a: value } });
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 5 }, 'x');
    await fixture.start();
    expect((await fixture.reason('one', 'CasIndexStale')).message).toContain('set casIndex to 2');
    await fixture.inVault('secret/data/one', { a: '2' });
    await apply('secret/data/one', { engineVersion: 'v2', casIndex: 2 }, 'x');
    await fixture.inVault('secret/data/one', { a: 'x' });
  });
});
