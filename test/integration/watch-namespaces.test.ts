import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';

import { DELETE_FINALIZER } from '../../src/api/group.js';
import type { KMSVaultSecret } from '../../src/api/resources.js';
import type { Freshness } from '../../src/watch/freshness.js';
import type { Registry } from 'prom-client';
import { TOKENS } from '../../src/tokens.js';
import { OperatorStand } from '../support/operator-stand.js';
import { eventually } from '../support/wait.js';

let stand: OperatorStand;

beforeAll(async () => {
  stand = await OperatorStand.prepare();
});

afterEach(async () => {
  await stand.stop();
});

afterAll(async () => {
  await stand.close();
});

const namespaced = (namespace: string) => {
  const spec = {
    path: `kv/${namespace}`,
    kvSettings: { engineVersion: 'v1' },
    secrets: [{ key: 'value', encryptedSecret: stand.encrypt('plain') }],
  };
  return { ...stand.secret('app', spec), metadata: { name: 'app', namespace } };
};

it('syncs a watched namespace although another is forbidden, and that one as soon as it is allowed', async () => {
  for (const name of ['a', 'b']) {
    await stand.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await stand.kube.apply(namespaced(name));
  }
  const lift = stand.servers.kubernetes.faults.inject({
    matches: ({ method, url }) => method === 'GET' && url.includes('/namespaces/b/kmsvaultsecrets'),
    action: { kind: 'answer', status: 403, body: '{"kind":"Status","reason":"Forbidden","code":403}' },
  });
  await stand.start(['--watch-namespace=a,b']);
  await stand.inVault('kv/a', { value: 'plain' });
  expect(await stand.vault.read('kv/b')).toBeUndefined();
  const freshness = stand.container.resolve<Freshness>(TOKENS.freshness);
  await eventually('ready', () => freshness.problem() === undefined);
  expect(freshness.note()).toBe('the API server refuses to list in b: not synced');
  const scrape = async (): Promise<string> =>
    await stand.container.resolve<Registry>(TOKENS.registry).metrics();
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="b"} 0');
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="a"} 1');
  const refusals = stand.logger.entries.filter(({ message }) => message.startsWith('RBAC does not allow'));
  expect(refusals.map(({ facts }) => facts?.namespace)).toEqual(['b']);
  lift();
  await stand.inVault('kv/b', { value: 'plain' }, 60_000);
  expect(freshness.note()).toBeUndefined();
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="b"} 1');
}, 90_000);

it('the next resource takes what a deleted owner left, although another namespace stays forbidden', async () => {
  const named = (name: string) => {
    const secrets = [{ key: 'value', encryptedSecret: stand.encrypt(name) }];
    const spec = { path: 'kv/left', kvSettings: { engineVersion: 'v1' }, secrets };
    return {
      ...stand.secret(name, spec),
      metadata: { name, namespace: 'a', finalizers: [DELETE_FINALIZER] },
    };
  };
  await stand.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
  stand.servers.kubernetes.faults.inject({
    matches: ({ method, url }) => method === 'GET' && url.includes('/namespaces/b/kmsvaultsecrets'),
    action: { kind: 'answer', status: 403, body: '{"kind":"Status","reason":"Forbidden","code":403}' },
  });
  await stand.start(['--watch-namespace=a,b']);
  await stand.kube.apply(named('first'));
  await stand.inVault('kv/left', { value: 'first' }, 60_000);
  await stand.kube.apply(named('next'));
  const isNext = async (reason: string): Promise<boolean> => {
    const { status } = (await stand.kube.get('KMSVaultSecret', 'a', 'next')) as unknown as KMSVaultSecret;
    return status?.conditions?.some((condition) => condition.reason === reason) === true;
  };
  await eventually('conflict', async () => await isNext('PathConflict'), 30_000);
  await stand.kube.delete('KMSVaultSecret', 'a', 'first');
  await stand.inVault('kv/left', { value: 'next' }, 30_000);
  await eventually('synced', async () => await isNext('Synced'), 30_000);
}, 120_000);
