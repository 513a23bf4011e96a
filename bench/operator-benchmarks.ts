import { eventually } from '../test/support/wait.js';
import type { Report } from './report.js';
import { type BenchFixture, KEYS } from './fixture.js';

const PERIOD_SECONDS = 20;

/** From nothing in Vault to everything in Vault. */
export async function firstSync(fixture: BenchFixture, report: Report, resources: number): Promise<void> {
  await fixture.apply(resources, 'first edition');
  fixture.clearCounts();
  await fixture.start('--sync-period-seconds=0');
  const ms = await fixture.synced(resources);
  const counts = fixture.counts();
  const name = 'first sync';
  report.add(name, 'resources', resources, '');
  report.add(name, 'time', ms / 1000, 's');
  report.add(name, 'rate', resources / (ms / 1000), 'resources/s');
  report.add(name, 'KMS requests', counts.kms / (resources * KEYS), 'per key');
  report.add(name, 'Vault requests', counts.vault / resources, 'per resource');
  report.add(name, 'Kubernetes requests', counts.kubernetes / resources, 'per resource');
  report.add(
    name,
    'resident memory',
    (await fixture.metric('process_resident_memory_bytes')) / 2 ** 20,
    'MiB',
  );
  await fixture.stop();
}

/** A new process, or a new leader, where everything stands as the status says. */
export async function restart(fixture: BenchFixture, report: Report, resources: number): Promise<void> {
  fixture.clearCounts();
  await fixture.start(`--sync-period-seconds=${String(PERIOD_SECONDS)}`);
  const ms = await fixture.synced(resources);
  const counts = fixture.counts();
  report.add('restart', 'time', ms / 1000, 's');
  report.add('restart', 'KMS requests', counts.kms, '');
  report.add('restart', 'writes to Vault', counts.vaultWrites, '');
  report.add('restart', 'Vault requests', counts.vault / resources, 'per resource');
}

/** One sync period in which nothing changes; the operator runs since {@link restart}. */
export async function quietPeriod(fixture: BenchFixture, report: Report, resources: number): Promise<void> {
  const done = 'kms_vault_operator_reconcile_total';
  const before = await fixture.metric(done);
  const cpu = await fixture.metric('process_cpu_seconds_total');
  fixture.clearCounts();
  const begun = performance.now();
  await eventually(
    'every resource had its turn',
    async () => (await fixture.metric(done)) >= before + resources,
    120_000,
    2_000,
  );
  const counts = fixture.counts();
  const seconds = (performance.now() - begun) / 1000;
  const used = (await fixture.metric('process_cpu_seconds_total')) - cpu;
  report.add('quiet period', 'KMS requests', counts.kms, '');
  report.add('quiet period', 'writes to Vault', counts.vaultWrites, '');
  report.add('quiet period', 'Vault requests', counts.vault / resources, 'per resource');
  report.add('quiet period', 'Kubernetes requests', counts.kubernetes, '');
  report.add('quiet period', 'processor', (used / seconds) * 100, '% of a core');
  await fixture.stop();
}

/** How long an edit waits while everything else is being written anew. */
export async function editDuringBacklog(
  fixture: BenchFixture,
  report: Report,
  resources: number,
): Promise<void> {
  await fixture.apply(resources, 'second edition');
  await fixture.start('--sync-period-seconds=0');
  const written = (): Promise<number> => fixture.metric('kms_vault_operator_vault_writes_total');
  await eventually('writing has begun', async () => (await written()) > 0, 60_000);
  const begun = performance.now();
  await fixture.applyOne(resources - 1, 'urgent edition');
  const path = `secret/data/bench-${String(resources - 1)}`;
  await eventually(
    'the edit stands in Vault',
    async () => (await fixture.vault.read(path))?.['key-0']?.startsWith('urgent edition'),
    600_000,
  );
  const edit = performance.now() - begun;
  await fixture.synced(resources);
  await eventually('all is written', async () => (await written()) >= resources, 600_000);
  const backlog = performance.now() - begun;
  report.add('edit during backlog', 'the edit', edit / 1000, 's');
  report.add('edit during backlog', 'edit / backlog', edit / backlog, 'ratio');
  await fixture.stop();
}
