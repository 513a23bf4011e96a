import type { Benchmark, Run } from './benchmark.js';
import { pass } from './measured-program.js';
import type { Counts } from './server-process.js';

/** Decrypts per second that KMS grants. */
const QUOTAS = [50, 200, 1_000];
const KEYS_PER_RESOURCE = 100;
const LATENCY_MS = 20;
/** Enough for the largest quota at this latency. */
const CONCURRENCY = 50;
/** The bucket of the quota is full at first, and its limit has to be found. */
const SKIPPED_MS = 6_000;
const MEASURED_MS = 15_000;
/** More than can be served in that time. */
const LOADED_MS = SKIPPED_MS + MEASURED_MS + 3_000;

/** How much of a quota of KMS is used when there is more to do than it grants. */
export const throttled: Benchmark = {
  isOursOnly: true,
  async run(run) {
    const { kms, options } = run.fixture;
    await kms.tell('latency', { ms: LATENCY_MS });
    try {
      for (const quota of QUOTAS) await underQuota(run, quota);
    } finally {
      await kms.tell('quota', {});
      await kms.tell('latency', { ms: options.kmsLatencyMs });
    }
  },
};

async function underQuota({ fixture, subject, add }: Run, quota: number): Promise<void> {
  const { kms } = fixture;
  const counts = (): Promise<Counts> => kms.tell('counts', null);
  const resources = Math.ceil((quota * LOADED_MS) / 1_000 / KEYS_PER_RESOURCE);
  const keys = resources * KEYS_PER_RESOURCE;
  await fixture.renew();
  // Before the operator starts: what is applied meanwhile would be measured as well.
  await fixture.apply(resources, 'first', { keys: KEYS_PER_RESOURCE });
  await kms.tell('quota', { perSecond: quota });
  const flags = `--max-concurrent-kms-requests=${String(CONCURRENCY)}`;
  const program = await fixture.start(subject, { flags });
  await program.until('KMS is asked', async () => (await counts()).served > 0);
  await pass(SKIPPED_MS);
  const [before, usedBefore] = [await counts(), program.cpuMs];
  await pass(MEASURED_MS);
  const [after, usedAfter] = [await counts(), program.cpuMs];
  if (after.served >= keys) throw new Error('everything was decrypted before the measuring ended');
  const served = after.served - before.served;
  await kms.tell('quota', {});
  await fixture.held(program, resources, 'first');
  const rest = await counts();
  const name = `quota of ${String(quota)}/s`;
  add(`${name}: used`, (served * 1_000) / (after.atMs - before.atMs) / quota, 'of the quota');
  add(`${name}: requests`, (after.requests + rest.requests) / keys, 'per key');
  add(`${name}: throttled`, after.throttled / after.requests, 'of the requests');
  add(`${name}: CPU`, (usedAfter - usedBefore) / served, 'ms per key');
  await fixture.stop();
}
