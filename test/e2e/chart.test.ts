import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { hasHelm } from '../../scripts/chart/golden.js';
import { hasKubectl } from '../../scripts/manifests/rendering.js';
import type { Json } from '../support/http-json.js';
import { ChartFixture } from './chart-fixture.js';
import { CRDS } from './servers.js';

const withHelm =
  hasHelm() && hasKubectl() && process.env.E2E_KUBECONFIG !== undefined ? describe : describe.skip;
const FINALIZER = 'delete.k8s.patoarvizu.dev';
const OPERATOR = 'deployment/kms-vault-operator';
const WEBHOOK = 'deployment/kms-vault-validating-webhook';
const CONFIGURATION = 'validatingwebhookconfiguration/kms-vault-validating-webhook';

let fixture: ChartFixture;

/** A resource of a user, which nothing may delete. */
function secret(): Json {
  return {
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'KMSVaultSecret',
    metadata: { name: 'web', namespace: fixture.namespace, finalizers: [FINALIZER] },
    spec: {
      path: 'secret/data/web',
      kvSettings: { engineVersion: 'v2' },
      secrets: [{ key: 'a', emptySecret: true }],
    },
  };
}

async function expectKept(uid: string): Promise<void> {
  const { metadata } = await fixture.get('kmsvs/web');
  expect([metadata.uid, metadata.deletionTimestamp]).toEqual([uid, undefined]);
}

async function createSecret(): Promise<string> {
  await fixture.kubectl(
    'wait',
    '--for=condition=Established',
    '--timeout=30s',
    ...CRDS.map((name) => `crd/${name}`),
  );
  await fixture.apply(secret());
  const { metadata } = await fixture.get('kmsvs/web');
  return String(metadata.uid);
}

async function revisions(): Promise<string[]> {
  const { stdout } = await fixture.run('helm', ['history', 'kvo', '--output', 'json']);
  return (JSON.parse(stdout) as Json[]).map(
    ({ chart, status }) => `${String(chart).replace(/.*-/, '')} ${String(status)}`,
  );
}

function containerOf(deployment: Json): Json {
  return deployment.spec.template.spec.containers[0];
}

function variables(container: Json): Record<string, string> {
  return Object.fromEntries(container.env.map(({ name, value }: Json) => [name, value]));
}

withHelm('the chart on an API server (skipped without helm, kubectl and E2E_KUBECONFIG)', () => {
  beforeAll(async () => {
    fixture = await ChartFixture.prepare();
  }, 60_000);

  afterEach(async () => {
    await fixture.clear();
  }, 60_000);

  afterAll(async () => {
    await (fixture as ChartFixture | undefined)?.close();
  }, 60_000);

  it('installs; uninstalling keeps the definitions and every resource; the next installation finds them', async () => {
    const notes = await fixture.helmDone(
      'install',
      'ours',
      '--set',
      'vault.address=https://vault.example.com',
    );
    expect(notes).toContain(`kubectl -n ${fixture.namespace} rollout status ${OPERATOR}`);
    expect(notes).toContain('It logs in to https://vault.example.com by the method k8s');
    expect(notes).not.toContain('WARNING');
    const uid = await createSecret();
    const installed = await fixture.get(OPERATOR);
    expect(installed.spec).toMatchObject({ replicas: 2, strategy: { type: 'RollingUpdate' } });
    expect(variables(containerOf(installed))).toMatchObject({
      VAULT_ADDR: 'https://vault.example.com',
      VAULT_SKIP_VERIFY: 'false',
    });

    const { code, stdout } = await fixture.run('helm', ['uninstall', 'kvo']);
    expect(code).toBe(0);
    for (const name of CRDS) expect(stdout).toContain(name);
    expect(await fixture.get(OPERATOR)).toBeUndefined();
    expect(await fixture.get('clusterrole/kms-vault-operator')).toBeUndefined();
    await expectKept(uid);

    await fixture.helmDone('install', 'ours');
    await expectKept(uid);
    expect(await fixture.get(OPERATOR)).toBeDefined();
  }, 120_000);

  it('upgrades the chart of the Go operator with its values, and rolls back, without losing a resource', async () => {
    await fixture.helmDone('install', 'go');
    const uid = await createSecret();
    const notes = await fixture.helmDone('upgrade', 'ours', '--reuse-values');
    expect(notes).toContain('WARNING: tls.enable is false');
    expect(notes).toContain('global.imageVersion (v0.15.0) is a version of the Go operator');
    await expectKept(uid);

    const upgraded = await fixture.get(OPERATOR);
    const container = containerOf(upgraded);
    expect(upgraded.spec.template.spec.containers).toHaveLength(1);
    expect(container.image).toMatch(/^patoarvizu\/kms-vault-operator:1\./);
    expect(container.args).toEqual(
      expect.arrayContaining([
        '--enable-leader-election',
        '--vault-authentication-method=k8s',
        '--sync-period-seconds=120',
      ]),
    );
    expect(Object.keys(variables(container)).sort()).toEqual([
      'AWS_REGION',
      'VAULT_ADDR',
      'VAULT_K8S_LOGIN_ENDPOINT',
      'VAULT_K8S_ROLE',
      'VAULT_SKIP_VERIFY',
    ]);
    // What only the Go operator needed.
    expect(await fixture.get('role/kms-vault-operator')).toBeUndefined();
    for (const name of CRDS) {
      const crd = await fixture.get(`crd/${name}`);
      expect(crd.metadata.annotations['helm.sh/resource-policy']).toBe('keep');
      expect(crd.spec.versions[0].schema.openAPIV3Schema.properties.status.properties).toHaveProperty(
        'observedGeneration',
      );
      expect(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.required ?? []).not.toContain(
        'secrets',
      );
    }

    expect((await fixture.run('helm', ['rollback', 'kvo', '1'])).code).toBe(0);
    await expectKept(uid);
    const back = await fixture.get(OPERATOR);
    expect(containerOf(back).image).toBe('patoarvizu/kms-vault-operator:v0.15.0');
    expect(back.spec.template.spec.containers[0].ports).toHaveLength(1);
    expect(await fixture.get('role/kms-vault-operator')).toBeDefined();

    await fixture.helmDone('upgrade', 'ours', '--reuse-values');
    expect(await revisions()).toEqual([
      '0.4.0 superseded',
      expect.stringMatching(/^1\..* superseded/),
      '0.4.0 superseded',
      expect.stringMatching(/^1\..* deployed/),
    ]);
    expect((await fixture.run('helm', ['uninstall', 'kvo'])).code).toBe(0);
    await expectKept(uid);
  }, 180_000);

  it('takes over the webhook of the Go operator’s chart, to one replica without leader election too', async () => {
    const withoutElection = ['--reuse-values', '--set', 'leaderElection.enabled=false'];
    const webhook = [
      '--set',
      'validatingWebhook.enabled=true',
      '--set',
      'validatingWebhook.certManager.injectSecret=false',
      '--set',
      'validatingWebhook.failurePolicy=Ignore',
    ];
    await fixture.helmDone('install', 'go', ...webhook);
    const before = await fixture.get(CONFIGURATION);
    if (fixture.appliesOnServer) {
      const { code, stderr } = await fixture.helm('upgrade', 'ours', ...withoutElection);
      expect(code).toBe(1);
      const wayOut = /^ *kubectl (-n .* delete deployment .*)$/m.exec(stderr)?.[1];
      expect(wayOut).toBe(`-n ${fixture.namespace} delete deployment kms-vault-operator`);
      expect(await revisions()).toEqual(['0.4.0 deployed']);
      await fixture.kubectl('delete', 'deployment', 'kms-vault-operator');
    }
    await fixture.helmDone('upgrade', 'ours', ...withoutElection);
    const after = await fixture.get(CONFIGURATION);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.webhooks).toHaveLength(1);
    expect(after.webhooks[0]).toMatchObject({
      failurePolicy: 'Ignore',
      clientConfig: { service: { path: '/validate', port: 443 } },
    });
    const deployment = await fixture.get(WEBHOOK);
    expect(deployment.spec.template.spec.serviceAccountName).toBe('kms-vault-validating-webhook');
    expect(containerOf(deployment).command).toEqual(['/kms-vault-validating-webhook']);
    const operator = await fixture.get(OPERATOR);
    expect(operator.spec.strategy).toEqual({ type: 'Recreate' });
    expect(operator.spec.replicas).toBe(1);
    const service = await fixture.get('service/kms-vault-validating-webhook');
    expect(service.spec.ports).toMatchObject([{ name: 'https', port: 443, targetPort: 'https' }]);

    // There and back between one writer and two replicas.
    await fixture.helmDone('upgrade', 'ours', '--reuse-values', '--set', 'leaderElection.enabled=true');
    expect((await fixture.get(OPERATOR)).spec.strategy.type).toBe('RollingUpdate');
    await fixture.helmDone('upgrade', 'ours', ...withoutElection);
    expect((await fixture.get(OPERATOR)).spec.strategy).toEqual({ type: 'Recreate' });
  }, 120_000);

  it('refuses to leave out the definitions of the Go operator’s chart, which Helm would delete, until they are protected', async () => {
    await fixture.helmDone('install', 'go');
    const uid = await createSecret();
    const options = ['--reuse-values', '--set', 'crds.enabled=false'];
    const { code, stderr } = await fixture.helm('upgrade', 'ours', ...options);
    expect(code).toBe(1);
    const wayOut = /^ *kubectl (annotate crd .*)$/m.exec(stderr)?.[1];
    expect(wayOut).toBe(`annotate crd ${CRDS.join(' ')} helm.sh/resource-policy=keep`);
    expect(await revisions()).toEqual(['0.4.0 deployed']);

    // Without the Deployment too, which the way out of another refusal deletes.
    await fixture.kubectl('delete', OPERATOR);
    expect((await fixture.helm('upgrade', 'ours', ...options)).stderr).toContain(wayOut);
    await expectKept(uid);

    await fixture.kubectl(...(wayOut ?? '').split(' '));
    await fixture.helmDone('upgrade', 'ours', ...options);
    await expectKept(uid);
    // From now on without asking.
    await fixture.helmDone('upgrade', 'ours', ...options);
    await expectKept(uid);
  }, 120_000);

  it('finds a selector that cannot be changed before it changes anything, and says how to go on', async () => {
    await fixture.helmDone('install', 'go');
    const deployment = await fixture.get(OPERATOR);
    await fixture.kubectl('delete', OPERATOR);
    const labels = { app: 'kms-vault-operator', tier: 'secrets' };
    deployment.spec.selector.matchLabels = labels;
    deployment.spec.template.metadata.labels = labels;
    const { name, annotations, labels: own } = deployment.metadata;
    await fixture.apply({
      ...deployment,
      status: undefined,
      metadata: { name, annotations, labels: own, namespace: fixture.namespace },
    });

    const { code, stderr } = await fixture.helm('upgrade', 'ours', '--reuse-values');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /The selector of Deployment .*kms-vault-operator is .*"tier":"secrets".* cannot be changed/,
    );
    const wayOut = /^ *kubectl (-n .* delete deployment .*)$/m.exec(stderr)?.[1] ?? '';
    expect(wayOut).toBe(`-n ${fixture.namespace} delete deployment kms-vault-operator`);
    const [crd] = await Promise.all([fixture.get(`crd/${CRDS[0] ?? ''}`)]);
    expect(crd.metadata.annotations).not.toHaveProperty(['helm.sh/resource-policy']);
    expect(await revisions()).toEqual(['0.4.0 deployed']);

    await fixture.kubectl('delete', 'deployment', 'kms-vault-operator');
    await fixture.helmDone('upgrade', 'ours', '--reuse-values');
  }, 120_000);

  it('finds a binding for another role before it changes anything, and says how to go on', async () => {
    const name = 'kms-vault-operator-leader-election';
    await fixture.kubectl('create', 'role', 'other', '--verb=get', '--resource=pods');
    await fixture.kubectl('create', 'rolebinding', name, '--role=other', '--user=nobody');
    const { code, stderr } = await fixture.helm('install', 'ours');
    expect(code).toBe(1);
    expect(stderr).toContain(`RoleBinding ${name} is for Role other and cannot be changed to Role ${name}`);
    const wayOut = /^ *kubectl (-n .* delete rolebinding .*)$/m.exec(stderr)?.[1] ?? '';
    expect(wayOut).toBe(`-n ${fixture.namespace} delete rolebinding ${name}`);
    await fixture.kubectl('delete', 'rolebinding', name);
    await fixture.helmDone('install', 'ours');
  }, 120_000);

  it('takes over what kubectl has applied, when told to', async () => {
    await fixture.kubectl('apply', '-f', 'manifests/crds');
    const uid = await createSecret();
    const { code, stderr } = await fixture.helm('install', 'ours');
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be imported into the current release: invalid ownership metadata/);
    const takeOver = ['--take-ownership', ...(fixture.appliesOnServer ? ['--force-conflicts'] : [])];
    await fixture.helmDone('install', 'ours', ...takeOver);
    await expectKept(uid);
    const { metadata } = await fixture.get(`crd/${CRDS[0] ?? ''}`);
    expect(metadata.annotations).toMatchObject({
      'helm.sh/resource-policy': 'keep',
      'meta.helm.sh/release-name': 'kvo',
    });
  }, 120_000);
});
