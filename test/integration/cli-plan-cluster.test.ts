import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { AuthorTool } from '../support/author-tool.js';
import type { Json } from '../support/http-json.js';
import { type Manifest } from '../support/kube-api.js';
import { canary, OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;
let tool: AuthorTool;

const FINALIZER = 'delete.k8s.patoarvizu.dev';

beforeEach(async () => {
  fixture = await OperatorFixture.prepare();
  tool = new AuthorTool(fixture.servers.kms.url, {
    VAULT_ADDR: fixture.servers.vault.url,
    VAULT_TOKEN: fixture.token,
  });
  tool.write('kubeconfig', fixture.servers.kubernetes.adminKubeconfig());
});

afterEach(async () => {
  tool.close();
  await fixture.close();
});

type Values = Readonly<Record<string, string>>;

const itemsOf = (values: Values): Json[] =>
  Object.entries(values).map(([key, value]) => ({ key, encryptedSecret: fixture.encrypt(value) }));

function secret(name: string, values: Values, spec: Json = {}, metadata: Json = {}): Manifest {
  const kvSettings = { engineVersion: 'v2' };
  return fixture.secret(
    name,
    { path: `secret/data/${name}`, kvSettings, secrets: itemsOf(values), ...spec },
    metadata,
  );
}

const partial = (name: string, values: Values): Manifest => ({
  apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
  kind: 'PartialKMSVaultSecret',
  metadata: { name, namespace: 'default' },
  spec: { secrets: itemsOf(values) },
});

/** Plans files that hold these objects against the cluster. */
async function plan(...manifests: readonly Manifest[]): Promise<Json> {
  tool.write('all.yaml', manifests.map((manifest) => JSON.stringify(manifest)).join('\n---\n'));
  const { code, stdout, stderr } = await tool.run([
    'plan',
    '-o',
    'json',
    '--cluster',
    '--kubeconfig',
    'kubeconfig',
    '-f',
    'all.yaml',
  ]);
  if (stdout === '') throw new Error(stderr);
  return { code, stderr, ...JSON.parse(stdout) };
}

/** Applies, and waits until the operator has nothing left to do. */
async function applied(
  reasons: Readonly<Record<string, string>>,
  ...manifests: readonly Manifest[]
): Promise<void> {
  await fixture.kube.applyAll(manifests);
  for (const [name, reason] of Object.entries(reasons)) {
    await eventually(`${name} is ${reason}`, async () => {
      const { status, metadata } = await fixture.get(name);
      expect(status?.observedGeneration).toBe(metadata.generation);
      expect(status?.conditions?.[0]?.reason).toBe(reason);
      return true;
    });
  }
}

const namesAndActions = ({ resources }: Json): Json =>
  resources.map(({ name, action }: Json) => [name, action]);

describe('plan with --cluster', () => {
  it('forecasts an edit, a change of a partial and a casIndex from what the cluster and Vault hold', async () => {
    await fixture.start();
    const value = canary();
    const pinned = { path: 'secret/data/pinned', kvSettings: { engineVersion: 'v2', casIndex: 0 } };
    await applied(
      { web: 'Synced', pinned: 'Synced', other: 'Synced' },
      partial('shared', { common: 'one' }),
      secret('web', { a: 'one', b: 'two' }, { includeSecrets: ['shared'] }, { finalizers: [FINALIZER] }),
      secret('pinned', { a: 'one' }, pinned),
      secret(
        'other',
        { a: 'one' },
        { path: 'kv/other', kvSettings: { engineVersion: 'v1' }, includeSecrets: ['shared'] },
      ),
    );
    fixture.clearRecords();
    const edits = [
      partial('shared', { common: value }),
      secret('web', { a: 'one', c: value }, { includeSecrets: ['shared'] }, { finalizers: [FINALIZER] }),
      secret('pinned', { a: value }, pinned),
    ];
    const before = await plan(...edits);
    expect(before.resources).toMatchObject([
      // Includes the partial, and is in the cluster only.
      {
        name: 'other',
        source: null,
        action: 'update',
        versions: null,
        keys: { changed: ['common'], unchanged: 1 },
      },
      {
        name: 'pinned',
        action: 'blocked',
        versions: { before: 1, after: 1 },
        findings: [{ reason: 'CasIndexStale', message: expect.stringContaining('set casIndex to 1') }],
      },
      {
        name: 'web',
        source: { file: 'all.yaml', line: 3 },
        action: 'update',
        versions: { before: 1, after: 2 },
        keys: { added: ['c'], changed: ['common'], removed: ['b'], unchanged: 1 },
        notes: [],
        onDeletion: { value: 'deleted', detail: 'secret/data/web' },
      },
    ]);
    expect(before.code).toBe(1);
    const { kubernetes } = fixture.servers;
    expect(fixture.vaultWrites).toBe(0);
    expect(
      kubernetes.requests.count(
        ({ method, operation }) => method !== 'GET' && operation.includes('kmsvaultsecrets'),
      ),
    ).toBe(0);

    // Applied one by one, they would be written one by one.
    await fixture.stop();
    await fixture.kube.applyAll(edits);
    await fixture.start();
    await applied({ web: 'Synced', pinned: 'CasIndexStale' }, ...edits);
    await fixture.inVault('secret/data/web', { a: 'one', c: value, common: value });
    await fixture.inVault('kv/other', { a: 'one', common: value });
    await fixture.inVault('secret/data/pinned', { a: 'one' });
    expect(await fixture.vault.version('secret/data/web')).toBe(2);
    const again = await plan(...edits);
    expect(namesAndActions(again)).toEqual([
      ['other', 'none'],
      ['pinned', 'blocked'],
      ['web', 'none'],
    ]);
    expect(tool.printed).not.toContain(value);
  });

  it('knows the owner of a path in another namespace, and who only may not list there', async () => {
    await fixture.start();
    const path = 'secret/data/same';
    await fixture.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
    const elsewhere = secret('first', { a: 'one' }, { path });
    elsewhere.metadata.namespace = 'team';
    await fixture.kube.apply(elsewhere);
    await fixture.inVault(path, { a: 'one' });
    const second = secret('a-second', { a: 'two' }, { path });
    expect((await plan(second)).resources).toMatchObject([
      {
        action: 'blocked',
        findings: [{ reason: 'PathConflict' }],
        pathConflict: { owner: 'team/first', others: ['default/a-second'] },
      },
    ]);

    const rules = [{ apiGroups: ['k8s.patoarvizu.dev'], resources: ['*'], verbs: ['list'] }];
    const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
    const metadata = { name: 'author', namespace: 'default' };
    await fixture.kube.applyAll([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { ...rbac, kind: 'Role', metadata, rules },
      {
        ...rbac,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'author' },
        subjects: [{ kind: 'ServiceAccount', ...metadata }],
      },
    ]);
    tool.write(
      'kubeconfig',
      fixture.kube.kubeconfigFor(await fixture.kube.serviceAccountToken('default', 'author')),
    );
    const limited = await plan(second);
    expect(limited.stderr).toContain(
      'you may not list resources in all namespaces, so only default are known',
    );
    expect(limited.resources).toMatchObject([{ action: 'update', pathConflict: null }]);
  });

  it('forecasts what a deletion in progress does', async () => {
    const web = secret('web', { a: 'one', b: 'two' }, {}, { finalizers: [FINALIZER] });
    await fixture.start();
    await applied({ web: 'Synced' }, web);
    await fixture.stop();
    await fixture.kube.delete('KMSVaultSecret', 'default', 'web');
    const going = await plan(web);
    expect(going.resources).toMatchObject([
      {
        action: 'delete',
        keys: { removed: ['a', 'b'] },
        versions: { before: 1, after: 0 },
        notes: ['the resource is being deleted'],
      },
    ]);
    expect(going.code).toBe(2);
    await fixture.start();
    await fixture.inVault('secret/data/web', undefined);
  });

  it('says that the cluster does not have the resources', async () => {
    tool.write('web.yaml', JSON.stringify(secret('web', { a: 'one' })));
    const config = fixture.servers.kubernetes.adminKubeconfig();
    await fixture.kube.delete('CustomResourceDefinition', '', 'kmsvaultsecrets.k8s.patoarvizu.dev');
    tool.write('kubeconfig', config);
    const { code, stderr } = await tool.run(['plan', '--cluster', '-f', 'web.yaml'], {
      env: { KUBECONFIG: 'kubeconfig' },
    });
    expect(stderr).toContain('cannot read the cluster: it does not have the resources of this operator');
    expect(code).toBe(1);
    const down = await tool.run(['plan', '--cluster', '-f', 'web.yaml'], { env: { KUBECONFIG: 'nowhere' } });
    expect(down.stderr).toContain('none of the files in KUBECONFIG exists');
    expect(down.code).toBe(1);
  });
});
