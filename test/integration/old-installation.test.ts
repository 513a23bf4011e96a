import { afterEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import type { Manifest } from '../support/kube-api.js';
import { shippedCrds } from '../support/installation.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;

afterEach(async () => {
  await fixture.close();
});

/** The default of the CRDs. */
const NOT_LOOKED_AT = { observedGeneration: -1 };

/** The Go operator's CRDs: a status with `created` alone, and `secrets` required. */
function goCrds(): Manifest[] {
  return shippedCrds().map((crd) => {
    const [version] = crd.spec.versions as Json[];
    const { properties } = version.schema.openAPIV3Schema;
    return {
      ...crd,
      spec: {
        ...crd.spec,
        versions: [
          {
            ...version,
            additionalPrinterColumns: undefined,
            schema: {
              openAPIV3Schema: {
                type: 'object',
                properties: {
                  ...properties,
                  spec: { ...properties.spec, required: [...(properties.spec.required ?? []), 'secrets'] },
                  status: { type: 'object', properties: { created: { type: 'boolean' } } },
                },
              },
            },
          },
        ],
      },
    };
  });
}

/** The role that the Go operator's config/rbac gives: no patch on events, nothing on partials' status. */
const NARROW_ROLE: Manifest = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'kms-vault-operator' },
  rules: [
    { apiGroups: [''], resources: ['events'], verbs: ['create'] },
    {
      apiGroups: ['k8s.patoarvizu.dev'],
      resources: ['kmsvaultsecrets'],
      verbs: ['create', 'get', 'list', 'patch', 'update', 'watch'],
    },
    {
      apiGroups: ['k8s.patoarvizu.dev'],
      resources: ['kmsvaultsecrets/status'],
      verbs: ['get', 'patch', 'update'],
    },
    {
      apiGroups: ['k8s.patoarvizu.dev'],
      resources: ['partialkmsvaultsecrets'],
      verbs: ['get', 'list', 'watch'],
    },
  ],
};

describe("in the Go operator's installation", () => {
  it('everything syncs, dropped fields are not patched again and again, and what may not be patched is said once', async () => {
    fixture = await OperatorFixture.prepare({ crds: goCrds(), role: NARROW_ROLE });
    await fixture.kube.apply({
      ...fixture.secret('shared', {
        secrets: [{ key: 's', encryptedSecret: fixture.encrypt('shared-value') }],
      }),
      kind: 'PartialKMSVaultSecret',
    });
    const spec = (path: string, engineVersion: string): Json => ({
      path,
      kvSettings: { engineVersion },
      secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a-value') }],
      includeSecrets: ['shared'],
    });
    await fixture.kube.apply(fixture.secret('one', spec('kv/one', 'v1')));
    await fixture.kube.apply(
      fixture.secret('two', spec('secret/data/two', 'v2'), { finalizers: ['delete.k8s.patoarvizu.dev'] }),
    );
    await fixture.start(['--sync-period-seconds=1']);
    await fixture.inVault('kv/one', { a: 'a-value', s: 'shared-value' });
    await fixture.inVault('secret/data/two', { a: 'a-value', s: 'shared-value' });
    await eventually(
      'both are created',
      async () =>
        (await fixture.get('one')).status?.created === true &&
        (await fixture.get('two')).status?.created === true,
    );
    fixture.clearRecords();
    await eventually('a few resyncs', () => fixture.vaultReads >= 6);
    expect(fixture.statusPatches).toBe(0);
    expect(fixture.vaultWrites).toBe(0);
    const denied = fixture.logger.entries.filter((entry) => /denies|forbidden/i.test(entry.message));
    const said = denied.map((entry) => JSON.stringify([entry.message, entry.facts]));
    expect(said.length).toBeGreaterThan(0);
    expect(new Set(said).size).toBe(said.length);
    // The finalizer works by what the old status can say: `created`, without a path.
    await fixture.kube.delete('KMSVaultSecret', 'default', 'two');
    await fixture.inVault('secret/data/two', undefined);
    await eventually('it is gone', async () => (await fixture.get('two')) === undefined);
  }, 60_000);

  it('takes over what the Go operator wrote, pinned at the default casIndex, without a new version', async () => {
    fixture = await OperatorFixture.prepare();
    await fixture.vault.write('secret/data/taken-over', { data: { a: 'a-value' } });
    await fixture.kube.apply(
      fixture.secret('taken-over', {
        path: 'secret/data/taken-over',
        kvSettings: { engineVersion: 'v2', casIndex: 0 },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a-value') }],
      }),
    );
    await fixture.start(['--sync-period-seconds=1']);
    await fixture.reason('taken-over', 'Synced');
    expect(await fixture.vault.version('secret/data/taken-over')).toBe(1);
  }, 30_000);
});

describe('after a restart', () => {
  it('an event that is said again is counted on the one that is there', async () => {
    fixture = await OperatorFixture.prepare();
    await fixture.kube.apply(
      fixture.secret('x', { path: 'sys/x', kvSettings: { engineVersion: 'v1' }, secrets: [] }),
    );
    for (const count of [1, 2]) {
      await fixture.start();
      await eventually(`the event is counted ${String(count)}`, async () => {
        const events = (await fixture.kube.events('default', 'x')).filter(
          ({ reason }) => reason === 'InvalidPath',
        );
        return events.length === 1 && events[0].count === count;
      });
      await fixture.stop();
    }
  }, 30_000);
});

describe('without the CRDs', () => {
  it('waits for them, says once what to do, and begins when they come', async () => {
    fixture = await OperatorFixture.prepare({ crds: [] });
    await fixture.start(['--sync-period-seconds=1']);
    const advice = (): number =>
      fixture.logger.entries.filter((entry) => /CRD|custom resource/i.test(JSON.stringify(entry))).length;
    await eventually('it says that the CRDs are missing', () => advice() > 0);
    await fixture.kube.applyAll(shippedCrds());
    await fixture.kube.apply(
      fixture.secret('late', {
        path: 'kv/late',
        kvSettings: { engineVersion: 'v1' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('worth the wait') }],
      }),
    );
    await fixture.inVault('kv/late', { a: 'worth the wait' }, 60_000);
    expect(advice()).toBeLessThanOrEqual(2);
  }, 90_000);
});

describe('--watch-namespace', () => {
  it('syncs the named namespaces and no other', async () => {
    fixture = await OperatorFixture.prepare();
    for (const name of ['one', 'two', 'three'])
      await fixture.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const apply = async (namespace: string): Promise<void> => {
      const secret = fixture.secret('x', {
        path: `kv/${namespace}`,
        kvSettings: { engineVersion: 'v1' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt(namespace) }],
      });
      await fixture.kube.apply({ ...secret, metadata: { ...secret.metadata, namespace } });
    };
    for (const namespace of ['three', 'one', 'two']) await apply(namespace);
    await fixture.start(['--watch-namespace=one,two', '--allowed-vault-paths=kv/{{namespace}}']);
    await fixture.inVault('kv/one', { a: 'one' });
    await fixture.inVault('kv/two', { a: 'two' });
    expect(await fixture.vault.read('kv/three')).toBeUndefined();
    expect((await fixture.kube.get('KMSVaultSecret', 'three', 'x')).status).toEqual(NOT_LOOKED_AT);
  }, 30_000);

  it('refuses a path outside --allowed-vault-paths', async () => {
    fixture = await OperatorFixture.prepare();
    await fixture.kube.apply(
      fixture.secret('outside', {
        path: 'kv/elsewhere',
        kvSettings: { engineVersion: 'v1' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('x') }],
      }),
    );
    await fixture.start(['--allowed-vault-paths=kv/{{namespace}}/**']);
    await fixture.reason('outside', 'PathNotAllowed');
    await fixture.event('outside', 'PathNotAllowed');
    expect(await fixture.vault.read('kv/elsewhere')).toBeUndefined();
  }, 30_000);
});
