import { afterEach, expect, it } from '@jest/globals';

import { isFrom, ReplicaFixture, type Replica } from '../support/replica-fixture.js';
import { eventually } from '../support/wait.js';

const TIMEOUT_MS = 40_000;
/** Two resources, so that the second is on K/V v1, which keeps no history. */
const NAMES = ['on-v2', 'on-v1'];

let fixture: ReplicaFixture;

afterEach(async () => {
  await fixture.close();
});

/** Writes of a replica to the path on K/V v1 since a number of requests. */
function writesOf(replica: Replica, since: number): string[] {
  return fixture.servers.vault.requests.all
    .slice(since)
    .filter((seen) => isFrom(replica, seen) && seen.method !== 'GET' && seen.url.includes('/kv/'))
    .map(({ body }) => body);
}

async function looksAt(replica: Replica, since: number): Promise<void> {
  await eventually(
    'a look at Vault',
    () =>
      fixture.servers.vault.requests.all
        .slice(since)
        .some((seen) => isFrom(replica, seen) && seen.method === 'GET' && seen.url.includes('/kv/')),
    TIMEOUT_MS,
  );
}

/** The resources are edited, and their new values are in Vault, by somebody else. */
async function editElsewhere(value: string): Promise<void> {
  await fixture.applySecrets(NAMES, value);
  await fixture.vault.write('kv/on-v1', { value });
}

it('a standby whose watches died silently takes over and writes nothing from its stale cache', async () => {
  fixture = await ReplicaFixture.prepare();
  const first = await fixture.start('first');
  await fixture.leader(TIMEOUT_MS);
  await fixture.applySecrets(NAMES, 'old');
  await fixture.inVault(NAMES, 'old');
  const standby = await fixture.start('standby');
  await standby.program.logged('initial list complete; standing by');
  fixture.servers.kubernetes.halfOpenWatches();
  await editElsewhere('new');
  const since = fixture.servers.vault.requests.all.length;
  await first.program.stop();
  await fixture.leader(TIMEOUT_MS, first);
  await fixture.inVault(NAMES, 'new', TIMEOUT_MS);
  await looksAt(standby, since);
  expect(writesOf(standby, since)).toEqual([]);
}, 90_000);

it('a single replica that was suspended and resumes writes nothing from its stale cache', async () => {
  fixture = await ReplicaFixture.prepare();
  const only = await fixture.start('only', ['--sync-period-seconds=5'], { elects: false });
  await fixture.applySecrets(NAMES, 'old');
  await fixture.inVault(NAMES, 'old');
  only.program.signal('SIGSTOP');
  const stoppedAt = performance.now();
  fixture.servers.kubernetes.halfOpenWatches();
  await editElsewhere('new');
  const since = fixture.servers.vault.requests.all.length;
  // Longer than a stall must be to be noticed, and than a sync period: everything is due at once.
  await eventually('a long stop', () => performance.now() > stoppedAt + 8_000);
  only.program.signal('SIGCONT');
  await only.program.logged('the process was suspended; relisting all resources');
  await fixture.inVault(NAMES, 'new', TIMEOUT_MS);
  await looksAt(only, since);
  expect(writesOf(only, since)).toEqual([]);
}, 90_000);
