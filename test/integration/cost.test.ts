import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { keyOf } from '../../src/api/resource-key.js';
import type { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import { TOKENS } from '../../src/tokens.js';
import { OperatorStand } from '../support/operator-stand.js';
import { eventually } from '../support/wait.js';

let stand: OperatorStand;

beforeEach(async () => {
  stand = await OperatorStand.prepare();
});

afterEach(async () => {
  await stand.close();
});

async function applyMany(count: number, keys: number, engineVersion: string): Promise<void> {
  const secrets = Array.from({ length: keys }, (_, key) => ({
    key: `key-${String(key)}`,
    encryptedSecret: stand.encrypt(`value-${String(key)}`),
  }));
  const folder = engineVersion === 'v2' ? 'secret/data/many' : 'kv/many';
  for (let from = 0; from < count; from += 50) {
    const batch = Array.from(
      { length: Math.min(50, count - from) },
      (_, index) => `many-${String(from + index)}`,
    );
    await Promise.all(
      batch.map((name) =>
        stand.kube.apply(
          stand.secret(name, { path: `${folder}/${name}`, kvSettings: { engineVersion }, secrets }),
        ),
      ),
    );
  }
}

async function allSynced(count: number): Promise<void> {
  await eventually(
    `${String(count)} resources are synced`,
    () => {
      const secrets = [...stand.container.resolve<IndexedResourceCache>(TOKENS.cache).secrets()];
      const synced = secrets.filter((secret) => secret.status?.conditions?.[0]?.reason === 'Synced');
      return synced.length === count && stand.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0;
    },
    90_000,
  );
}

describe('what it costs when nothing changes', () => {
  it('a resync of 1,000 resources of 10 keys: no KMS call, one read each, no write, no status patch', async () => {
    await applyMany(1_000, 10, 'v2');
    await stand.start(['--sync-period-seconds=0', '--max-concurrent-reconciles=20']);
    await allSynced(1_000);
    stand.clearRecords();
    const queue = stand.container.resolve<ReconcileQueue>(TOKENS.queue);
    for (const secret of stand.container.resolve<IndexedResourceCache>(TOKENS.cache).secrets())
      queue.add(keyOf(secret), 'resync');
    await eventually('the queue is empty', () => queue.size === 0, 90_000);
    expect(stand.servers.kms.decrypts).toBe(0);
    expect(stand.vaultReads).toBe(1_000);
    expect(stand.vaultWrites).toBe(0);
    expect(stand.statusPatches).toBe(0);
  }, 180_000);

  it('a restart with 500 synced v2 resources: no KMS call, no write', async () => {
    await applyMany(500, 3, 'v2');
    await stand.start(['--sync-period-seconds=0']);
    await allSynced(500);
    await stand.stop();
    stand.clearRecords();
    await stand.start(['--sync-period-seconds=0']);
    await eventually(
      'everything was looked at',
      () => stand.vaultReads >= 500 && stand.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0,
      60_000,
    );
    expect(stand.servers.kms.decrypts).toBe(0);
    expect(stand.vaultWrites).toBe(0);
    expect(stand.statusPatches).toBe(0);
  }, 120_000);

  it('a restart notices an emptySecret that was switched on meanwhile, and asks KMS for nothing else', async () => {
    const secrets = [
      { key: 'a', encryptedSecret: stand.encrypt('a-value') },
      { key: 'b', encryptedSecret: stand.encrypt('b-value') },
    ];
    const spec = { path: 'secret/data/x', kvSettings: { engineVersion: 'v2' }, secrets };
    await stand.kube.apply(stand.secret('x', spec));
    await stand.start(['--sync-period-seconds=0']);
    await stand.reason('x', 'Synced');
    await stand.stop();
    await stand.kube.apply(
      stand.secret('x', { ...spec, secrets: [{ ...secrets[0], emptySecret: true }, secrets[1]] }),
    );
    await stand.start(['--sync-period-seconds=0']);
    await stand.inVault('secret/data/x', { a: '', b: 'b-value' });
  }, 60_000);

  it('an edit in the middle of 1,000 resources at the start stands in Vault before the backlog is done', async () => {
    await applyMany(1_000, 1, 'v1');
    stand.servers.kms.latencyMs = 20;
    await stand.start(['--sync-period-seconds=0', '--max-concurrent-reconciles=4']);
    await eventually('the backlog is under way', () => stand.vaultWrites > 20, 60_000);
    await stand.kube.apply(
      stand.secret('urgent', {
        path: 'kv/urgent',
        kvSettings: { engineVersion: 'v1' },
        secrets: [{ key: 'a', encryptedSecret: stand.encrypt('at once') }],
      }),
    );
    await stand.inVault('kv/urgent', { a: 'at once' });
    expect(stand.vaultWrites).toBeLessThan(900);
  }, 120_000);
});

describe('what is done side by side', () => {
  it('keeps to the limits for KMS and for reconciles', async () => {
    stand.servers.kms.latencyMs = 25;
    await applyMany(30, 4, 'v2');
    await stand.start([
      '--sync-period-seconds=0',
      '--max-concurrent-kms-requests=6',
      '--max-concurrent-reconciles=5',
    ]);
    await allSynced(30);
    // Ciphertexts of all resources are the same: what is asked at the same time is asked once.
    expect(stand.servers.kms.requests.peakInFlight).toBeLessThanOrEqual(6);
    expect(stand.servers.kms.requests.peakInFlight).toBeGreaterThan(1);
  }, 60_000);
});
