import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { TOKENS } from '../../src/tokens.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

const QUOTA = 50;
const KEYS = 150;
const NAMES = Array.from({ length: 10 }, (_, index) => `big-${String(index)}`);

let fixture: OperatorFixture;

beforeAll(async () => {
  fixture = await OperatorFixture.prepare();
  await fixture.start(['--sync-period-seconds=0']);
});

afterAll(async () => {
  await fixture.close();
});

function valuesOf(name: string, keys: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: keys }, (_, key) => [`key-${String(key)}`, `${name}, ${String(key)}`]),
  );
}

async function apply(name: string, values: Readonly<Record<string, string>>): Promise<string> {
  const path = `secret/data/${name}`;
  const secrets = Object.entries(values).map(([key, value]) => ({
    key,
    encryptedSecret: fixture.encrypt(value),
  }));
  await fixture.kube.apply(fixture.secret(name, { path, kvSettings: { engineVersion: 'v2' }, secrets }));
  return path;
}

/** Requests that KMS served since the log was cleared. */
const served = (): number => fixture.servers.kms.requests.count(({ status }) => status === 200);

async function reconciles(): Promise<Record<string, number>> {
  const { values } = await fixture.container.resolve<OperatorMetrics>(TOKENS.metrics).reconciles.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.result), value]));
}

describe('many large resources under a small quota of KMS', () => {
  it('hold up no small edit, and neither fail nor start over', async () => {
    const { kms } = fixture.servers;
    await fixture.inVault(await apply('small', valuesOf('first', 3)), valuesOf('first', 3));
    await fixture.reason('small', 'Synced');
    fixture.clearRecords();
    kms.quotaPerSecond = QUOTA;
    // As many as may be reconciled at once: an edit needs a place that one of them lends.
    await Promise.all(NAMES.map((name) => apply(name, valuesOf(name, KEYS))));
    await eventually('the quota is met', () => kms.requests.count(({ status }) => status === 400) > 0);

    const before = kms.decrypts;
    await fixture.inVault(await apply('small', valuesOf('second', 3)), valuesOf('second', 3));
    expect(kms.decrypts - before).toBeLessThan((NAMES.length * KEYS) / 4);
    for (const name of NAMES) expect(await fixture.vault.read(`secret/data/${name}`)).toBeUndefined();
    await fixture.reason('small', 'Synced');

    // Far beyond what the bucket held at first and any one resource needs; the rest may come quickly.
    await eventually('progress at the quota', () => served() >= 8 * QUOTA, 60_000);
    kms.quotaPerSecond = undefined;
    for (const name of NAMES) {
      await fixture.inVault(`secret/data/${name}`, valuesOf(name, KEYS), 60_000);
      await fixture.reason(name, 'Synced');
    }
    const keys = NAMES.length * KEYS + 3;
    expect(served()).toBe(keys);
    expect(kms.decrypts / keys).toBeLessThanOrEqual(1.2);
    expect(Object.keys(await reconciles())).toEqual(['synced']);
  }, 180_000);
});
