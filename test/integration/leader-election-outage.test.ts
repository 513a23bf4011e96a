import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { ReplicaStand, type StandReplica } from '../support/replica-stand.js';
import { eventually } from '../support/wait.js';

const NAMES = ['one', 'two'];
const LEASE_MS = 15_000;
const TIMEOUT_MS = 25_000;

let stand: ReplicaStand;

beforeAll(async () => {
  stand = await ReplicaStand.prepare();
});

afterAll(async () => {
  await stand.close();
});

const leads = async (replica: StandReplica): Promise<boolean> =>
  /^kms_vault_operator_leader 1$/m.test((await replica.get('/metrics')).text);

it('waits for the missing role, and has one leader before and after an outage of the API server', async () => {
  const role = await stand.kube.get('Role', 'vault', 'kms-vault-operator-leader-election');
  await stand.kube.delete('Role', 'vault', 'kms-vault-operator-leader-election');
  const first = await stand.start('first');
  const { problem } = await first.program.logged('cannot use the lease; will try again');
  expect(problem).toContain('apply manifests/rbac/leader-election-role.yaml');
  const second = await stand.start('second');
  await stand.applySecrets(NAMES, 'before');
  await stand.kube.apply({ ...role, metadata: { name: role.metadata.name, namespace: 'vault' } });
  const leader = await stand.leader(TIMEOUT_MS);
  await stand.inVault(NAMES, 'before');

  const goneAt = performance.now();
  await stand.servers.kubernetes.stop();
  await eventually('nobody leads', async () => !(await leads(leader)), TIMEOUT_MS);
  await eventually('longer than the lease', () => performance.now() > goneAt + LEASE_MS + 1_000, TIMEOUT_MS);
  expect([await leads(first), await leads(second)]).toEqual([false, false]);
  await stand.servers.kubernetes.restart();

  const again = await eventually(
    'one leader',
    async () => {
      const leading = [];
      for (const replica of stand.replicas) if (await leads(replica)) leading.push(replica);
      expect(leading.length).toBeLessThan(2);
      return leading[0];
    },
    TIMEOUT_MS,
  );
  await stand.applySecrets(NAMES, 'after');
  await stand.inVault(NAMES, 'after', TIMEOUT_MS);
  const late = stand.writes().filter(({ at }) => at > goneAt + 10_000);
  expect(new Set(late.map(({ by }) => by))).toEqual(new Set([again.name]));

  // A standby goes without touching the lease.
  const standby = stand.replicas.find((replica) => replica !== again);
  expect(await standby?.program.stop()).toBe(0);
  expect(await stand.leader(TIMEOUT_MS)).toBe(again);
  expect(await again.program.stop()).toBe(0);
  const lease = await stand.kube.get('Lease', 'vault', '39a50047.patoarvizu.dev');
  expect(lease.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
}, 90_000);
