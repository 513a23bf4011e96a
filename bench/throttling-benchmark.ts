import { eventually } from '../test/support/wait.js';
import { rateOfBareClient } from './bare-client.js';
import { type KmsCounts, KmsProcess } from './kms-process.js';
import type { Report } from './report.js';
import { type BenchFixture, KMS_LATENCY_MS, SCRAPE_INTERVAL_MS } from './fixture.js';

/** Decrypts per second that KMS grants. */
const QUOTAS = [50, 200, 1_000];
const KEYS_PER_RESOURCE = 100;
/** Enough for the largest quota at this latency. */
const CONCURRENCY = 50;
/** The bucket of the quota is full at first, and its limit has to be found. */
const SKIPPED_SECONDS = 6;
const MEASURED_SECONDS = 15;
/** More than can be served in that time. */
const LOADED_SECONDS = SKIPPED_SECONDS + MEASURED_SECONDS + 3;
const BARE_REQUESTS = 10_000;

/**
 * How much of a quota of KMS is used when there is more to do than it grants. KMS runs in a process of its
 * own; what the SDK alone reaches there tells whether a processor is the limit, and not the operator.
 */
export async function throttledKms(fixture: BenchFixture, report: Report): Promise<void> {
  const [, program = ''] = process.argv;
  const kms = await KmsProcess.start(program);
  fixture.kmsUrl = kms.url;
  try {
    await kms.set({ latencyMs: KMS_LATENCY_MS });
    const bare = await rateOfBareClient(program, fixture.awsEnvironment, {
      requests: BARE_REQUESTS,
      concurrency: CONCURRENCY,
    });
    report.add('throttled KMS', 'the AWS SDK alone, no quota', bare, 'requests/s');
    for (const quota of QUOTAS) await underQuota(fixture, kms, report, quota);
  } finally {
    fixture.kmsUrl = undefined;
    kms.stop();
  }
}

async function underQuota(
  fixture: BenchFixture,
  kms: KmsProcess,
  report: Report,
  quota: number,
): Promise<void> {
  const resources = Math.ceil((quota * LOADED_SECONDS) / KEYS_PER_RESOURCE);
  const keys = resources * KEYS_PER_RESOURCE;
  const prefix = `quota-${String(quota)}`;
  // Before the operator starts: what is applied meanwhile would be measured as well.
  await fixture.apply(resources, 'only edition', { prefix, keys: KEYS_PER_RESOURCE });
  await kms.set({ latencyMs: KMS_LATENCY_MS, quotaPerSecond: quota });
  await fixture.start('--sync-period-seconds=0', `--max-concurrent-kms-requests=${String(CONCURRENCY)}`);
  await eventually('KMS is asked', async () => (await kms.counts()).served > 0, 60_000);
  await pass(SKIPPED_SECONDS);
  const processor = 'process_cpu_seconds_total';
  const [before, usedBefore] = [await kms.counts(), await fixture.metric(processor)];
  await pass(MEASURED_SECONDS);
  const [after, usedAfter] = [await kms.counts(), await fixture.metric(processor)];
  if (after.served >= keys) throw new Error('everything was decrypted before the measuring ended');
  const rate = rateOf(before, after);
  await kms.set({ latencyMs: KMS_LATENCY_MS });
  const written = 'kms_vault_operator_vault_writes_total';
  await eventually(
    'everything is written',
    async () => (await fixture.metric(written)) >= resources,
    600_000,
    SCRAPE_INTERVAL_MS,
  );
  const rest = await kms.counts();
  const requests = after.served + after.throttled + rest.served + rest.throttled;
  const name = `throttled KMS, ${String(quota)}/s`;
  report.add(name, 'used', rate / quota, 'of the quota');
  report.add(name, 'requests', requests / keys, 'per key');
  report.add(name, 'throttled', after.throttled / (after.served + after.throttled), 'of the requests');
  report.add(
    name,
    'processor',
    ((usedAfter - usedBefore) * 1_000) / (after.served - before.served),
    'ms per key',
  );
  await fixture.stop();
}

function rateOf(before: KmsCounts, after: KmsCounts): number {
  return ((after.served - before.served) * 1_000) / (after.atMs - before.atMs);
}

async function pass(seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
