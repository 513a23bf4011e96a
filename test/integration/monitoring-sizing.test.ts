import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { keyOf } from '../../src/api/resource-key.js';
import type { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import { TOKENS } from '../../src/tokens.js';
import { seal } from '../servers/kms/ciphertext.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

/** The table of "Sizing" in docs/guide.md, line by line. */
describe('what one resource costs', () => {
  let fixture: OperatorFixture;

  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
  });

  afterEach(async () => {
    await fixture.close();
  });

  const apply = async (
    engineVersion: 'v1' | 'v2',
    values: Readonly<Record<string, string>>,
  ): Promise<void> => {
    const secrets = Object.entries(values).map(([key, encryptedSecret]) => ({ key, encryptedSecret }));
    const path = engineVersion === 'v2' ? 'secret/data/one' : 'kv/one';
    await fixture.kube.apply(fixture.secret('one', { path, kvSettings: { engineVersion }, secrets }));
  };

  const cost = async (): Promise<object> => {
    await eventually(
      'the queue is empty',
      () => fixture.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0,
    );
    const events = fixture.servers.kubernetes.requests.count(
      ({ method, url }) => method !== 'GET' && url.includes('/events'),
    );
    return {
      kms: fixture.servers.kms.decrypts,
      reads: fixture.vaultReads,
      writes: fixture.vaultWrites,
      statuses: fixture.statusPatches,
      events,
    };
  };

  const resync = async (): Promise<void> => {
    const queue = fixture.container.resolve<ReconcileQueue>(TOKENS.queue);
    const reads = fixture.vaultReads;
    for (const secret of fixture.container.resolve<IndexedResourceCache>(TOKENS.cache).secrets())
      queue.add(keyOf(secret), 'resync');
    await eventually('it had its turn', () => fixture.vaultReads > reads);
  };

  const start = async (): Promise<void> => {
    await fixture.start(['--sync-period-seconds=0']);
    await eventually('it was looked at', () => fixture.vaultReads > 0);
    await fixture.reason('one', 'Synced');
  };

  it('that is new, that changes, that does not, and whose value somebody changed', async () => {
    await apply('v2', { a: fixture.encrypt('1'), b: fixture.encrypt('2') });
    await start();
    await fixture.event('one', 'SecretCreated');
    // One of the two says beforehand where the first write goes.
    expect(await cost()).toEqual({ kms: 2, reads: 1, writes: 1, statuses: 2, events: 1 });

    fixture.clearRecords();
    await resync();
    expect(await cost()).toEqual({ kms: 0, reads: 1, writes: 0, statuses: 0, events: 0 });

    fixture.clearRecords();
    await apply('v2', { a: fixture.encrypt('1'), b: fixture.encrypt('3') });
    await fixture.inVault('secret/data/one', { a: '1', b: '3' });
    await fixture.event('one', 'SecretUpdated');
    expect(await cost()).toEqual({ kms: 2, reads: 1, writes: 1, statuses: 1, events: 1 });

    await fixture.vault.write('secret/data/one', { data: { a: 'by hand' } });
    fixture.clearRecords();
    await resync();
    await fixture.event('one', 'DriftRepaired');
    expect(await cost()).toEqual({ kms: 2, reads: 1, writes: 1, statuses: 1, events: 1 });
  }, 60_000);

  it.each([
    ['v1', 2],
    ['v2', 0],
  ] as const)(
    'after a restart, on K/V %s',
    async (engine, kms) => {
      await apply(engine, { a: fixture.encrypt('1'), b: fixture.encrypt('2') });
      await start();
      await cost();
      await fixture.stop();
      fixture.clearRecords();
      await start();
      expect(await cost()).toEqual({ kms, reads: 1, writes: 0, statuses: 0, events: 0 });
    },
    60_000,
  );

  it('with a key that KMS denies, and with one that is wrong', async () => {
    const denied = fixture.servers.kms.addKey();
    denied.denied = true;
    const ciphertext = seal(denied.id, denied.material, Buffer.from('x'), {}).toString('base64');
    await apply('v2', {
      a: fixture.encrypt('1'),
      denied: ciphertext,
      wrong: fixture.encrypt('2', { other: 'context' }),
    });
    await fixture.start(['--sync-period-seconds=0']);
    await fixture.reason('one', 'DecryptionFailed');
    await cost();
    fixture.clearRecords();
    await resync();
    // Only the one that is denied is asked for again.
    expect(await cost()).toMatchObject({ kms: 1, reads: 1, writes: 0, statuses: 0 });
  }, 60_000);
});
