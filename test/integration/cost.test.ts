import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { keyOf } from '../../src/api/resource-key.js';
import type { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import { TOKENS } from '../../src/tokens.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;

beforeEach(async () => {
  fixture = await OperatorFixture.prepare();
});

afterEach(async () => {
  await fixture.close();
});

async function applyMany(count: number, keys: number, engineVersion: string): Promise<void> {
  // Each of its own: equal ciphertexts are decrypted once.
  const secretsOf = (name: string): object[] =>
    Array.from({ length: keys }, (_, key) => ({
      key: `key-${String(key)}`,
      encryptedSecret: fixture.encrypt(`value ${String(key)} of ${name}`),
    }));
  const folder = engineVersion === 'v2' ? 'secret/data/many' : 'kv/many';
  for (let from = 0; from < count; from += 50) {
    const batch = Array.from(
      { length: Math.min(50, count - from) },
      (_, index) => `many-${String(from + index)}`,
    );
    await Promise.all(
      batch.map((name) =>
        fixture.kube.apply(
          fixture.secret(name, {
            path: `${folder}/${name}`,
            kvSettings: { engineVersion },
            secrets: secretsOf(name),
          }),
        ),
      ),
    );
  }
}

async function allSynced(count: number): Promise<void> {
  await eventually(
    `${String(count)} resources are synced`,
    () => {
      const secrets = [...fixture.container.resolve<IndexedResourceCache>(TOKENS.cache).secrets()];
      const synced = secrets.filter((secret) => secret.status?.conditions?.[0]?.reason === 'Synced');
      return synced.length === count && fixture.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0;
    },
    90_000,
  );
}

function eventRequests(): number {
  return fixture.servers.kubernetes.requests.count(
    ({ method, url }) => method !== 'GET' && url.includes('/events'),
  );
}

describe('what a first sync costs', () => {
  it('50 resources of 5 keys: each key decrypted once, one read, one write, two status patches, one event', async () => {
    await applyMany(50, 5, 'v2');
    await fixture.start(['--sync-period-seconds=0']);
    await allSynced(50);
    expect(fixture.servers.kms.decrypts).toBe(250);
    expect(fixture.vaultReads).toBe(50);
    expect(fixture.vaultWrites).toBe(50);
    await eventually('the events are recorded', () => eventRequests() >= 50);
    expect(eventRequests()).toBe(50);
    // The claim on the path before the first write, and the result.
    expect(fixture.statusPatches).toBe(100);
    const lookUps = fixture.servers.vault.requests.count(({ url }) => url.includes('/internal/ui/mounts/'));
    expect(lookUps).toBeLessThan(25);
  }, 180_000);
});

describe('what it costs when nothing changes', () => {
  it('a resync of 50 resources of 4 keys: no KMS call, one read each, no write, no status patch', async () => {
    await applyMany(50, 4, 'v2');
    await fixture.start(['--sync-period-seconds=0', '--max-concurrent-reconciles=20']);
    await allSynced(50);
    fixture.clearRecords();
    const queue = fixture.container.resolve<ReconcileQueue>(TOKENS.queue);
    for (const secret of fixture.container.resolve<IndexedResourceCache>(TOKENS.cache).secrets())
      queue.add(keyOf(secret), 'resync');
    await eventually('the queue is empty', () => queue.size === 0, 90_000);
    expect(fixture.servers.kms.decrypts).toBe(0);
    expect(fixture.vaultReads).toBe(50);
    expect(fixture.vaultWrites).toBe(0);
    expect(fixture.statusPatches).toBe(0);
  }, 180_000);

  it('a restart with 50 synced v2 resources: no KMS call, no write', async () => {
    await applyMany(50, 3, 'v2');
    await fixture.start(['--sync-period-seconds=0']);
    await allSynced(50);
    await fixture.stop();
    fixture.clearRecords();
    await fixture.start(['--sync-period-seconds=0']);
    await eventually(
      'everything was looked at',
      () => fixture.vaultReads >= 50 && fixture.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0,
      60_000,
    );
    expect(fixture.servers.kms.decrypts).toBe(0);
    expect(fixture.vaultWrites).toBe(0);
    expect(fixture.statusPatches).toBe(0);
  }, 120_000);

  it('a restart notices an emptySecret that was switched on meanwhile, and asks KMS for nothing else', async () => {
    const secrets = [
      { key: 'a', encryptedSecret: fixture.encrypt('a-value') },
      { key: 'b', encryptedSecret: fixture.encrypt('b-value') },
    ];
    const spec = { path: 'secret/data/x', kvSettings: { engineVersion: 'v2' }, secrets };
    await fixture.kube.apply(fixture.secret('x', spec));
    await fixture.start(['--sync-period-seconds=0']);
    await fixture.reason('x', 'Synced');
    await fixture.stop();
    await fixture.kube.apply(
      fixture.secret('x', { ...spec, secrets: [{ ...secrets[0], emptySecret: true }, secrets[1]] }),
    );
    await fixture.start(['--sync-period-seconds=0']);
    await fixture.inVault('secret/data/x', { a: '', b: 'b-value' });
  }, 60_000);

  it('an edit during the first sync of 500 resources is in Vault before the backlog is done', async () => {
    await applyMany(500, 1, 'v1');
    fixture.servers.kms.latencyMs = 20;
    await fixture.start(['--sync-period-seconds=0', '--max-concurrent-reconciles=4']);
    await eventually('the backlog is under way', () => fixture.vaultWrites > 20, 60_000);
    await fixture.kube.apply(
      fixture.secret('urgent', {
        path: 'kv/urgent',
        kvSettings: { engineVersion: 'v1' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('at once') }],
      }),
    );
    await fixture.inVault('kv/urgent', { a: 'at once' });
    expect(fixture.vaultWrites).toBeLessThan(450);
  }, 120_000);
});

describe('what is done side by side', () => {
  it('keeps to the limits for KMS and for reconciles', async () => {
    fixture.servers.kms.latencyMs = 25;
    await applyMany(30, 4, 'v2');
    await fixture.start([
      '--sync-period-seconds=0',
      '--max-concurrent-kms-requests=6',
      '--max-concurrent-reconciles=5',
    ]);
    await allSynced(30);
    // Ciphertexts of all resources are the same: what is asked at the same time is asked once.
    expect(fixture.servers.kms.requests.peakInFlight).toBeLessThanOrEqual(6);
    expect(fixture.servers.kms.requests.peakInFlight).toBeGreaterThan(1);
  }, 60_000);
});
