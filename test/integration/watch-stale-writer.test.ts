import { afterEach, expect, it } from '@jest/globals';

import { isFrom, ReplicaStand, type StandReplica } from '../support/replica-stand.js';
import { eventually } from '../support/wait.js';

const TIMEOUT_MS = 40_000;
/** Two resources, so that the second is on K/V v1, which keeps no history. */
const NAMES = ['on-v2', 'on-v1'];

let stand: ReplicaStand;

afterEach(async () => {
  await stand.close();
});

/** Writes of a replica to the path on K/V v1 since a number of requests. */
function writesOf(replica: StandReplica, since: number): string[] {
  return stand.servers.vault.requests.all
    .slice(since)
    .filter((seen) => isFrom(replica, seen) && seen.method !== 'GET' && seen.url.includes('/kv/'))
    .map(({ body }) => body);
}

async function looksAt(replica: StandReplica, since: number): Promise<void> {
  await eventually(
    'a look at Vault',
    () =>
      stand.servers.vault.requests.all
        .slice(since)
        .some((seen) => isFrom(replica, seen) && seen.method === 'GET' && seen.url.includes('/kv/')),
    TIMEOUT_MS,
  );
}

/** The resources are edited, and their new values are in Vault, by somebody else. */
async function editElsewhere(value: string): Promise<void> {
  await stand.applySecrets(NAMES, value);
  await stand.vault.write('kv/on-v1', { value });
}

it('a standby whose watches died without a sound takes over and writes nothing of what it knew', async () => {
  stand = await ReplicaStand.prepare();
  const first = await stand.start('first');
  await stand.leader(TIMEOUT_MS);
  await stand.applySecrets(NAMES, 'old');
  await stand.inVault(NAMES, 'old');
  const standby = await stand.start('standby');
  await standby.program.logged('all resources are known; standing by');
  stand.servers.kubernetes.halfOpenWatches();
  await editElsewhere('new');
  const since = stand.servers.vault.requests.all.length;
  await first.program.stop();
  await stand.leader(TIMEOUT_MS, first);
  await stand.inVault(NAMES, 'new', TIMEOUT_MS);
  await looksAt(standby, since);
  expect(writesOf(standby, since)).toEqual([]);
}, 90_000);

it('a single replica that was stopped and goes on writes nothing of what it knew', async () => {
  stand = await ReplicaStand.prepare();
  const only = await stand.start('only', ['--sync-period-seconds=5'], { elects: false });
  await stand.applySecrets(NAMES, 'old');
  await stand.inVault(NAMES, 'old');
  only.program.signal('SIGSTOP');
  const stoppedAt = performance.now();
  stand.servers.kubernetes.halfOpenWatches();
  await editElsewhere('new');
  const since = stand.servers.vault.requests.all.length;
  // Longer than a stall must be to be noticed, and than a sync period: everything is due at once.
  await eventually('a long stop', () => performance.now() > stoppedAt + 8_000);
  only.program.signal('SIGCONT');
  await only.program.logged('the process did not run for a while; listing again');
  await stand.inVault(NAMES, 'new', TIMEOUT_MS);
  await looksAt(only, since);
  expect(writesOf(only, since)).toEqual([]);
}, 90_000);
