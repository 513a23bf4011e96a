import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { ReplicaFixture, type Replica } from '../support/replica-fixture.js';
import { eventually } from '../support/wait.js';

const NAMES = ['one', 'two'];
const LEASE_MS = 15_000;
const TIMEOUT_MS = 25_000;

let fixture: ReplicaFixture;

beforeAll(async () => {
  fixture = await ReplicaFixture.prepare();
});

afterAll(async () => {
  await fixture.close();
});

const leads = async (replica: Replica): Promise<boolean> =>
  /^kms_vault_operator_leader 1$/m.test((await replica.get('/metrics')).text);

it('waits for the missing role, and has one leader before and after an outage of the API server', async () => {
  const role = await fixture.kube.get('Role', 'vault', 'kms-vault-operator-leader-election');
  await fixture.kube.delete('Role', 'vault', 'kms-vault-operator-leader-election');
  const first = await fixture.start('first');
  const { problem } = await first.program.logged('cannot read or write the lease; will retry');
  expect(problem).toContain('apply manifests/rbac/leader-election-role.yaml');
  const second = await fixture.start('second');
  await fixture.applySecrets(NAMES, 'before');
  await fixture.kube.apply({ ...role, metadata: { name: role.metadata.name, namespace: 'vault' } });
  const leader = await fixture.leader(TIMEOUT_MS);
  await fixture.inVault(NAMES, 'before');

  const goneAt = performance.now();
  await fixture.servers.kubernetes.stop();
  await eventually('nobody leads', async () => !(await leads(leader)), TIMEOUT_MS);
  await eventually('longer than the lease', () => performance.now() > goneAt + LEASE_MS + 1_000, TIMEOUT_MS);
  expect([await leads(first), await leads(second)]).toEqual([false, false]);
  await fixture.servers.kubernetes.restart();

  const again = await eventually(
    'one leader',
    async () => {
      const leading = [];
      for (const replica of fixture.replicas) if (await leads(replica)) leading.push(replica);
      expect(leading.length).toBeLessThan(2);
      return leading[0];
    },
    TIMEOUT_MS,
  );
  await fixture.applySecrets(NAMES, 'after');
  await fixture.inVault(NAMES, 'after', TIMEOUT_MS);
  const late = fixture.writes().filter(({ at }) => at > goneAt + 10_000);
  expect(new Set(late.map(({ by }) => by))).toEqual(new Set([again.name]));

  // A standby goes without touching the lease.
  const standby = fixture.replicas.find((replica) => replica !== again);
  expect(await standby?.program.stop()).toBe(0);
  expect(await fixture.leader(TIMEOUT_MS)).toBe(again);
  expect(await again.program.stop()).toBe(0);
  const lease = await fixture.kube.get('Lease', 'vault', '39a50047.patoarvizu.dev');
  expect(lease.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
}, 90_000);
