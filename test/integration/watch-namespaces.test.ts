import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';

import { DELETE_FINALIZER } from '../../src/api/group.js';
import type { KMSVaultSecret } from '../../src/api/resources.js';
import type { Freshness } from '../../src/watch/freshness.js';
import type { Registry } from 'prom-client';
import { TOKENS } from '../../src/tokens.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;

beforeAll(async () => {
  fixture = await OperatorFixture.prepare();
});

afterEach(async () => {
  await fixture.stop();
});

afterAll(async () => {
  await fixture.close();
});

const namespaced = (namespace: string) => {
  const spec = {
    path: `kv/${namespace}`,
    kvSettings: { engineVersion: 'v1' },
    secrets: [{ key: 'value', encryptedSecret: fixture.encrypt('plain') }],
  };
  return { ...fixture.secret('app', spec), metadata: { name: 'app', namespace } };
};

it('syncs a watched namespace although another is forbidden, and that one as soon as it is allowed', async () => {
  for (const name of ['a', 'b']) {
    await fixture.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await fixture.kube.apply(namespaced(name));
  }
  const lift = fixture.servers.kubernetes.faults.inject({
    matches: ({ method, url }) => method === 'GET' && url.includes('/namespaces/b/kmsvaultsecrets'),
    action: { kind: 'answer', status: 403, body: '{"kind":"Status","reason":"Forbidden","code":403}' },
  });
  await fixture.start(['--watch-namespace=a,b']);
  await fixture.inVault('kv/a', { value: 'plain' });
  expect(await fixture.vault.read('kv/b')).toBeUndefined();
  const freshness = fixture.container.resolve<Freshness>(TOKENS.freshness);
  await eventually('ready', () => freshness.problem() === undefined);
  expect(freshness.note()).toBe('the API server denies the list in b: not synced');
  const scrape = async (): Promise<string> =>
    await fixture.container.resolve<Registry>(TOKENS.registry).metrics();
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="b"} 0');
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="a"} 1');
  const refusals = fixture.logger.entries.filter(({ message }) => message.startsWith('RBAC denies'));
  expect(refusals.map(({ facts }) => facts?.namespace)).toEqual(['b']);
  lift();
  await fixture.inVault('kv/b', { value: 'plain' }, 60_000);
  expect(freshness.note()).toBeUndefined();
  expect(await scrape()).toContain('watch_synced{kind="KMSVaultSecret",namespace="b"} 1');
}, 90_000);

it('the next resource takes what a deleted owner left, although another namespace stays forbidden', async () => {
  const named = (name: string) => {
    const secrets = [{ key: 'value', encryptedSecret: fixture.encrypt(name) }];
    const spec = { path: 'kv/left', kvSettings: { engineVersion: 'v1' }, secrets };
    return {
      ...fixture.secret(name, spec),
      metadata: { name, namespace: 'a', finalizers: [DELETE_FINALIZER] },
    };
  };
  await fixture.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
  fixture.servers.kubernetes.faults.inject({
    matches: ({ method, url }) => method === 'GET' && url.includes('/namespaces/b/kmsvaultsecrets'),
    action: { kind: 'answer', status: 403, body: '{"kind":"Status","reason":"Forbidden","code":403}' },
  });
  await fixture.start(['--watch-namespace=a,b']);
  await fixture.kube.apply(named('first'));
  await fixture.inVault('kv/left', { value: 'first' }, 60_000);
  await fixture.kube.apply(named('next'));
  const isNext = async (reason: string): Promise<boolean> => {
    const { status } = (await fixture.kube.get('KMSVaultSecret', 'a', 'next')) as unknown as KMSVaultSecret;
    return status?.conditions?.some((condition) => condition.reason === reason) === true;
  };
  await eventually('conflict', async () => await isNext('PathConflict'), 30_000);
  await fixture.kube.delete('KMSVaultSecret', 'a', 'first');
  await fixture.inVault('kv/left', { value: 'next' }, 30_000);
  await eventually('synced', async () => await isNext('Synced'), 30_000);
}, 120_000);
