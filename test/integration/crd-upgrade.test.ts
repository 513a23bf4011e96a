import { afterEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { shippedCrds } from '../support/installation.js';
import { type Manifest, manifestsIn } from '../support/kube-api.js';
import { kstatusOf } from '../support/kstatus.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

const FINALIZER = 'delete.k8s.patoarvizu.dev';
const NOT_LOOKED_AT = { observedGeneration: -1 };

let fixture: OperatorFixture;

afterEach(async () => {
  await fixture.close();
});

/** As released, and kept as they were. */
function crdsOf100(): Manifest[] {
  return manifestsIn(
    'test/integration/crds-1.0.0/kmsvaultsecrets.yaml',
    'test/integration/crds-1.0.0/partialkmsvaultsecrets.yaml',
  );
}

/** The Go operator's status schema. */
function goCrds(): Manifest[] {
  return crdsOf100().map((crd) => {
    const copy = structuredClone(crd);
    const { properties } = copy.spec.versions[0].schema.openAPIV3Schema;
    properties.status = { type: 'object', properties: { created: { type: 'boolean' } } };
    return copy;
  });
}

const types = (object: Json): string[] =>
  (object?.status?.conditions ?? []).map(({ type, status }: Json) => `${String(type)}=${String(status)}`);

async function applied(name: string, path: string, value: string, context = {}): Promise<void> {
  await fixture.kube.apply(
    fixture.secret(
      name,
      {
        path,
        kvSettings: { engineVersion: path.startsWith('kv/') ? 'v1' : 'v2' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt(value, context) }],
        includeSecrets: ['shared'],
      },
      { finalizers: [FINALIZER] },
    ),
  );
}

async function partialApplied(): Promise<void> {
  await fixture.kube.apply({
    ...fixture.secret('shared', { secrets: [{ key: 's', encryptedSecret: fixture.encrypt('shared') }] }),
    kind: 'PartialKMSVaultSecret',
  });
}

describe('an upgrade of the CRDs', () => {
  it('from those of 1.0.0: works before, needs no write to Vault, and adds what they lacked', async () => {
    fixture = await OperatorFixture.prepare({ crds: crdsOf100() });
    await partialApplied();
    await applied('good', 'secret/data/good', 'good-value');
    await applied('wrong', 'kv/wrong', 'wrong-value', { wrong: 'context' });
    await fixture.start(['--sync-period-seconds=1']);
    await fixture.reason('good', 'Synced');
    await fixture.reason('wrong', 'DecryptionFailed');
    // These CRDs take conditions of any type; only a partial has none.
    expect(types(await fixture.get('wrong'))).toEqual(['Ready=False', 'Stalled=True']);
    const partial = await fixture.get('shared', 'PartialKMSVaultSecret');
    expect(partial.status).toEqual({ observedGeneration: 1, includedBy: 2 });
    fixture.clearRecords();
    await eventually('a few resyncs', () => fixture.vaultReads >= 6);
    expect([fixture.statusPatches, fixture.vaultWrites]).toEqual([0, 0]);
    await fixture.stop();

    const before = (await fixture.get('good')).status;
    await applied('new', 'secret/data/new', 'new-value');
    expect((await fixture.get('new')).status).toBeUndefined();
    await fixture.kube.applyAll(shippedCrds());
    expect((await fixture.get('new')).status).toEqual(NOT_LOOKED_AT);
    expect(kstatusOf(await fixture.get('new'))).toBe('InProgress');
    expect((await fixture.get('good')).status).toEqual(before);

    fixture.clearRecords();
    await fixture.start(['--sync-period-seconds=1']);
    await fixture.reason('new', 'Synced');
    await eventually('the partial has its condition', async () =>
      types(await fixture.get('shared', 'PartialKMSVaultSecret')).includes('Ready=True'),
    );
    expect((await fixture.get('good')).status).toEqual(before);
    expect(fixture.vaultWrites).toBe(1);
  }, 60_000);

  it('from those of the Go operator: its status is kept as it is, and means what it meant', async () => {
    fixture = await OperatorFixture.prepare({ crds: goCrds() });
    await partialApplied();
    await applied('written', 'secret/data/written', 'a-value');
    await applied('fresh', 'secret/data/fresh', 'b-value');
    await fixture.vault.write('secret/data/written', { data: { a: 'a-value', s: 'shared' } });
    const path = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/default/kmsvaultsecrets/written/status';
    const current = await fixture.get('written');
    expect((await fixture.kube.send('PUT', path, { ...current, status: { created: true } })).status).toBe(
      200,
    );
    await fixture.kube.applyAll(shippedCrds());
    expect((await fixture.get('written')).status).toEqual({ created: true });
    expect((await fixture.get('fresh')).status).toEqual(NOT_LOOKED_AT);
    // `created` without a path counts for the path of a spec that never changed; the default counts for nothing.
    await fixture.kube.delete('KMSVaultSecret', 'default', 'written');
    await fixture.kube.delete('KMSVaultSecret', 'default', 'fresh');
    await fixture.vault.write('secret/data/fresh', { data: { theirs: 'not ours' } });
    await fixture.start();
    await fixture.inVault('secret/data/written', undefined);
    await eventually('both are gone', async () =>
      [await fixture.get('written'), await fixture.get('fresh')].every((object) => object === undefined),
    );
    await fixture.inVault('secret/data/fresh', { theirs: 'not ours' });
  }, 60_000);
});
