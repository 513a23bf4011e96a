import type { Benchmark, Run } from './benchmark.js';
import { CannotDo } from './benchmark.js';
import type { Shape, StartOptions } from './fixture.js';
import { type MeasuredProgram, pass } from './measured-program.js';
import { percentile } from './report.js';

const START_POLL_MS = 2;
/** Starts of one run. */
const STARTS = 5;
/** What is resident so long after the work is done counts as settled. */
const SETTLE_MS = 5_000;
const EDITED_RESOURCES = 50;
const EDITS = 100;
const PAUSE_BETWEEN_EDITS_MS = 100;
/** No more edits are made when this share of the first sync is done. */
const LAST_EDIT_AT = 0.8;
/** Two shapes whose difference in CPU time is that of decryptions alone. */
const DECRYPT_SHAPES = { resources: 100, keys: [1, 41] } as const;

/** From the start of the program until it serves metrics, and what an idle one takes. */
export const startUp: Benchmark = {
  async run({ fixture, subject, add }) {
    if (!subject.operator.includes('$METRICS_ADDR')) throw new CannotDo('no $METRICS_ADDR in its command');
    await fixture.renew();
    for (let round = 0; round < STARTS; round += 1) {
      const begun = performance.now();
      const program = await fixture.start(subject);
      await program.until('metrics are served', () => answers(program.metricsUrl), {
        intervalMs: START_POLL_MS,
      });
      add('time until metrics are served', performance.now() - begun, 'ms');
      add('CPU until metrics are served', program.cpuMs, 'ms');
      await program.settled();
      add('CPU until idle', program.cpuMs, 'ms');
      add('resident, idle', program.memory.resident, 'MiB');
      await fixture.stop();
    }
  },
};

async function answers(url: string): Promise<boolean> {
  try {
    const { ok, body } = await fetch(url);
    await body?.cancel();
    return ok;
  } catch {
    return false;
  }
}

/** From nothing in Vault to everything in Vault. */
export const firstSync: Benchmark = {
  async run(run) {
    await syncedFromNothing(run, { resources: run.fixture.options.resources });
  },
};

/** The same with hundreds of roots in `SSL_CERT_FILE` and `AWS_CA_BUNDLE`. */
export const addedRoots: Benchmark = {
  async run(run) {
    await syncedFromNothing(run, { resources: run.fixture.options.resources }, { addedRoots: true });
  },
};

/** First syncs of several sizes. */
export const growth: Benchmark = {
  async run(run) {
    for (const resources of run.fixture.options.growth) {
      const add: Run['add'] = (figure, value, unit) => {
        run.add(`${String(resources)} resources: ${figure}`, value, unit);
      };
      await syncedFromNothing({ ...run, add }, { resources });
      await run.fixture.stop();
    }
  },
};

async function syncedFromNothing(
  { fixture, subject, add }: Run,
  { resources, ...shape }: Shape & { readonly resources: number },
  options: StartOptions = {},
): Promise<MeasuredProgram> {
  const idleCpuMs = await fixture.idleCpuMs(subject);
  await fixture.renew();
  await fixture.apply(resources, 'first', shape);
  await fixture.clearCounts();
  const serversBefore = fixture.serverCpuMs;
  const begun = performance.now();
  const program = await fixture.start(subject, options);
  await fixture.held(program, resources, 'first');
  const seconds = (performance.now() - begun) / 1_000;
  await program.settled();
  const { kms, vault, kubernetes } = await fixture.counts();
  add('time', seconds, 's');
  add('rate', resources / seconds, 'resources/s');
  add('CPU', (program.cpuMs - idleCpuMs) / resources, 'ms per resource');
  add('CPU of the servers', (fixture.serverCpuMs - serversBefore) / resources, 'ms per resource');
  add('KMS requests', kms.requests / resources, 'per resource');
  add('Vault requests', vault.requests / resources, 'per resource');
  add('Kubernetes requests', kubernetes.requests / resources, 'per resource');
  await pass(SETTLE_MS);
  add('resident, peak', program.memory.peak, 'MiB');
  add('resident, settled', program.memory.resident, 'MiB');
  return program;
}

/** A new process where everything is in Vault, and then one period in which nothing changes. */
export const steady: Benchmark = {
  async run({ fixture, subject, add }) {
    const { resources, periodSeconds } = fixture.options;
    await fixture.renew();
    await fixture.apply(resources, 'first');
    await fixture.held(await fixture.start(subject), resources, 'first');
    await fixture.stop();
    await fixture.clearCounts();
    const begun = performance.now();
    const program = await fixture.start(subject, { periodSeconds });
    await program.until(
      'every secret was looked at',
      async () => (await fixture.vault.tell('counts', null)).paths >= resources,
      { intervalMs: 100 },
    );
    add('restart: time', (performance.now() - begun) / 1_000, 's');
    // The work of the last reconciles.
    await pass(1_000);
    const restarted = await fixture.counts();
    add('restart: KMS requests', restarted.kms.requests, '');
    add('restart: writes to Vault', restarted.vault.operations['write'] ?? 0, '');
    add('restart: Vault requests', restarted.vault.requests / resources, 'per resource');
    // Resyncs are spread over the period from here on.
    await pass(SETTLE_MS);
    await fixture.clearCounts();
    const before = program.cpuMs;
    await pass(periodSeconds * 1_000);
    const used = program.cpuMs - before;
    const { kms, vault, kubernetes } = await fixture.counts();
    add('quiet period: CPU', used / (periodSeconds * 10), '% of a core');
    add('quiet period: CPU', used / resources, 'ms per resource');
    add('quiet period: secrets looked at', vault.paths / resources, 'of all');
    add('quiet period: KMS requests', kms.requests, '');
    add('quiet period: writes to Vault', vault.operations['write'] ?? 0, '');
    add('quiet period: Vault requests', vault.requests / resources, 'per resource');
    add('quiet period: Kubernetes requests', kubernetes.requests, '');
    add('quiet period: resident', program.memory.resident, 'MiB');
  },
};

/** CPU time of one more key in a resource. */
export const decrypt: Benchmark = {
  async run({ fixture, subject, add }) {
    const { resources, keys } = DECRYPT_SHAPES;
    const used: number[] = [];
    for (const count of keys) {
      await fixture.renew();
      await fixture.apply(resources, 'first', { keys: count });
      const program = await fixture.start(subject);
      await fixture.held(program, resources, 'first');
      await program.settled();
      used.push(program.cpuMs);
      await fixture.stop();
    }
    const [few = 0, many = 0] = used;
    add('CPU of one more key', (many - few) / (resources * (keys[1] - keys[0])), 'ms');
  },
};

/** How long an edit waits when there is nothing else to do. */
export const edit: Benchmark = {
  async run({ fixture, subject, add }) {
    await fixture.renew();
    await fixture.apply(EDITED_RESOURCES, 'first');
    const program = await fixture.start(subject);
    await fixture.held(program, EDITED_RESOURCES, 'first');
    await program.settled();
    const times: number[] = [];
    for (let round = 0; round < EDITS; round += 1) {
      times.push(await fixture.edit(subject, round % EDITED_RESOURCES, `edit ${String(round)}`));
      await pass(PAUSE_BETWEEN_EDITS_MS);
    }
    addTimes(add, times);
  },
};

/** How long edits of single resources wait while all others are written for the first time. */
export const editInFirstSync: Benchmark = {
  async run({ fixture, subject, add }) {
    const { resources } = fixture.options;
    await fixture.renew();
    await fixture.apply(resources, 'first');
    const program = await fixture.start(subject);
    const held = (): Promise<number> => fixture.vault.tell('holding', { edition: 'first' });
    await program.until('the first sync has begun', async () => (await held()) > 0);
    const times: number[] = [];
    for (let index = resources - 1; (await held()) < resources * LAST_EDIT_AT && index >= 0; index -= 1) {
      times.push(await fixture.edit(subject, index, 'urgent'));
      await pass(PAUSE_BETWEEN_EDITS_MS);
    }
    addTimes(add, times);
    add('edits', times.length, '');
  },
};

function addTimes(add: Run['add'], times: readonly number[]): void {
  add('median', percentile(times, 0.5), 'ms');
  add('99th percentile', percentile(times, 0.99), 'ms');
}
