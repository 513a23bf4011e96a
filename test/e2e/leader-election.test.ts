import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { ChildProgram } from '../support/child-program.js';
import { manifestsIn } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import { E2eServers } from './servers.js';

const LEASE = '39a50047.patoarvizu.dev';

let servers: E2eServers;

beforeAll(async () => {
  servers = await E2eServers.prepare();
  const { namespace } = servers;
  const [role] = manifestsIn('manifests/rbac/leader-election-role.yaml');
  if (role === undefined) throw new Error('no role for leases in manifests');
  await servers.kube.apply({ ...role, metadata: { name: 'leases', namespace } });
  await servers.kube.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'leases', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'leases' },
    subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace }],
  });
}, 120_000);

afterAll(async () => {
  await (servers as E2eServers | undefined)?.cleanUp();
}, 60_000);

async function holder(): Promise<string> {
  const lease = await servers.kube.get('Lease', servers.namespace, LEASE);
  return lease?.spec?.holderIdentity ?? '';
}

async function edit(value: string): Promise<void> {
  const path = `${servers.v2}/data/led`;
  const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt(value) }];
  await servers.kube.apply(servers.secret('led', { path, kvSettings: { engineVersion: 'v2' }, secrets }));
  await eventually(
    `${value} stands in Vault`,
    async () => (await servers.vault.read(path))?.a === value,
    45_000,
  );
}

describe('two replicas with --enable-leader-election', () => {
  it('take turns: on SIGTERM at once, on SIGKILL when the lease has run out; the other one stays ready', async () => {
    const flags = ['--enable-leader-election', `--leader-election-namespace=${servers.namespace}`];
    const first = servers.spawnOperator(flags);
    const leads = async (replica: ChildProgram): Promise<boolean> =>
      (await servers.metric(replica, 'kms_vault_operator_leader')) === 1;
    await eventually('the first one leads', () => leads(first), 30_000);
    const second = servers.spawnOperator(flags);
    await eventually(
      'the standby is ready',
      async () => (await fetch(`${await second.address('serving health')}/readyz`)).status === 200,
      30_000,
    );
    expect(await leads(second)).toBe(false);
    await edit('from-the-first');
    expect(await servers.metric(second, 'kms_vault_operator_vault_writes_total')).toBe(0);
    const before = await holder();
    expect(await first.stop('SIGTERM')).toBe(0);
    await edit('from-the-second');
    expect(await holder()).not.toBe(before);
    expect(await leads(second)).toBe(true);
    const third = servers.spawnOperator(flags);
    await third.address('serving health');
    await second.stop('SIGKILL');
    await edit('from-the-third');
    expect(await leads(third)).toBe(true);
    expect(await third.stop()).toBe(0);
  }, 150_000);
});
