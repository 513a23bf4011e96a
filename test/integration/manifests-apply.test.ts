import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { IPodSpec } from 'kubernetes-models/v1';

import { hasKubectl } from '../../scripts/manifests/rendering.js';
import { type LoopbackKubernetes, startKubernetesServer } from '../servers/kubernetes/server.js';
import { accessReview, type ResourceAttributes } from '../support/access-review.js';
import { startOf } from '../unit/manifests/program-command.js';

const withKubectl = hasKubectl() ? describe : describe.skip;

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Kinds of others that the overlays use, as their own CRDs would serve them, without their schemas. */
const FOREIGN = [
  ['cert-manager.io', 'Certificate', 'certificates'],
  ['cert-manager.io', 'Issuer', 'issuers'],
  ['monitoring.coreos.com', 'ServiceMonitor', 'servicemonitors'],
  ['monitoring.coreos.com', 'PrometheusRule', 'prometheusrules'],
] as const;

function foreignCrd(group: string, kind: string, plural: string): object {
  const openAPIV3Schema = {
    type: 'object',
    properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}

/** Applied before an overlay is deleted; never deleted with it. */
const RESOURCES = [
  'kmsvaultsecret.k8s.patoarvizu.dev/web',
  'partialkmsvaultsecret.k8s.patoarvizu.dev/shared',
];
const RESOURCES_OF_USERS = `
apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata: {name: web, namespace: default}
spec: {path: secret/data/web, kvSettings: {engineVersion: v2}}
---
apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: PartialKMSVaultSecret
metadata: {name: shared, namespace: default}
spec: {secrets: [{key: a, emptySecret: true}]}
`;

const RESOURCE_BESIDE_THE_OPERATOR = `
apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata: {name: beside}
spec: {path: secret/data/beside, kvSettings: {engineVersion: v2}}
`;

let server: LoopbackKubernetes;
let folder: string;

async function kubectl(args: string, input = ''): Promise<Output> {
  const own = ['--kubeconfig', join(folder, 'kubeconfig'), '--cache-dir', join(folder, 'cache')];
  return await new Promise((resolve) => {
    const child = execFile('kubectl', [...own, ...args.split(' ')], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** @throws Error with what kubectl says when it fails or warns. */
async function quietly(args: string, input = ''): Promise<string[]> {
  const { code, stdout, stderr } = await kubectl(args, input);
  if (code !== 0 || stderr !== '') throw new Error(`kubectl ${args}: ${stderr}`);
  return stdout.trim().split('\n').filter(Boolean);
}

/**
 * Applies again and returns what this changed. kubectl always reports a PodDisruptionBudget as `configured`, because
 * its selector is replaced as a whole; the resourceVersion shows whether it changed.
 */
async function changedBy(args: string, count: number): Promise<string[]> {
  const versions =
    'get poddisruptionbudgets --all-namespaces -o jsonpath={.items[*].metadata.resourceVersion}';
  const before = await quietly(versions);
  const lines = await quietly(args);
  expect(lines).toHaveLength(count);
  expect(await quietly(versions)).toEqual(before);
  return lines.filter((line) => !line.startsWith('poddisruptionbudget.') && !line.endsWith(' unchanged'));
}

/** Whether a service account may do something, as the API server's authorizer says. */
async function may(account: string, attributes: ResourceAttributes): Promise<string> {
  const create = 'create --validate=false -f - -o jsonpath={.status.allowed}';
  return (await quietly(create, JSON.stringify(accessReview(account, attributes)))).join();
}

const group = 'k8s.patoarvizu.dev';

withKubectl('the manifests on an API server (skipped where kubectl is not on the PATH)', () => {
  beforeEach(async () => {
    server = await startKubernetesServer();
    folder = mkdtempSync(join(tmpdir(), 'manifests-apply-'));
    writeFileSync(join(folder, 'kubeconfig'), server.adminKubeconfig(), { mode: 0o600 });
    const crds = FOREIGN.map(([group, kind, plural]) => JSON.stringify(foreignCrd(group, kind, plural)));
    await quietly('apply -f -', crds.join('\n'));
    await quietly('wait --for=condition=Established crd --all --timeout=10s');
  }, 60_000);

  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['dev', 'vault-dev'],
    ['staging', 'vault-staging'],
    ['production', 'vault'],
  ])(
    'applies the overlay %s twice, the second time without a change, and deletes it again',
    async (name, namespace) => {
      const home = name === 'production' ? 'manifests' : `kustomize/overlays/${name}`;
      await quietly(`apply -f ${home}/namespace.yaml -f manifests/crds`);
      await quietly('wait --for=condition=Established crd --all --timeout=10s');
      const first = await quietly(`apply -k kustomize/overlays/${name}`);
      expect(first.length).toBeGreaterThan(15);
      expect(first.filter((line) => !line.endsWith(' created'))).toEqual([]);
      expect(await changedBy(`apply -k kustomize/overlays/${name}`, first.length)).toEqual([]);

      const operator = `${namespace}:kms-vault-operator`;
      const webhook = `${namespace}:kms-vault-validating-webhook`;
      await quietly('create -f -', RESOURCES_OF_USERS);
      await quietly(`create --namespace ${namespace} -f -`, RESOURCE_BESIDE_THE_OPERATOR);

      const answers = await Promise.all([
        may(operator, { group, verb: 'watch', resource: 'kmsvaultsecrets' }),
        may(operator, {
          group,
          verb: 'patch',
          resource: 'kmsvaultsecrets',
          subresource: 'status',
          namespace: 'default',
        }),
        may(operator, { group: 'coordination.k8s.io', verb: 'create', resource: 'leases', namespace }),
        may(operator, { verb: 'get', resource: 'secrets' }),
        may(webhook, { group, verb: 'get', resource: 'kmsvaultsecrets', namespace: 'default' }),
      ]);
      expect(answers).toEqual(['true', 'true', name === 'dev' ? 'false' : 'true', 'false', 'false']);
      const { stdout } = await kubectl(
        'get clusterrolebinding kms-vault-operator -o jsonpath={.subjects[0].namespace}',
      );
      expect(stdout).toBe(namespace);

      await quietly(`delete -k kustomize/overlays/${name} --ignore-not-found --wait=false`);
      expect(await quietly('get namespace -o name')).toContain(`namespace/${namespace}`);
      expect(await quietly('get kmsvs,pkmsvs --namespace default -o name')).toEqual(RESOURCES);
      expect(await quietly(`get kmsvs --namespace ${namespace} -o name`)).toHaveLength(1);
    },
    120_000,
  );

  it('takes folder by folder what the overlays are made of', async () => {
    await quietly('apply -f manifests/namespace.yaml');
    for (const path of ['crds', 'rbac', 'rbac/namespaced', 'operator', 'webhook']) {
      const lines = await quietly(`apply -f manifests/${path}`);
      expect(lines.filter((line) => !line.endsWith(' created'))).toEqual([]);
      expect(lines.length).toBeGreaterThan(1);
    }
    // The same objects by way of kustomize.
    expect(await changedBy('apply -k manifests', 9)).toEqual([]);
  }, 60_000);

  it.each([
    ['manifests', { type: 'Recreate' }],
    [
      'kustomize/overlays/production',
      { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    ],
  ])(
    'takes over the Deployment of the Go operator’s chart with %s',
    async (folderOfOurs, strategy) => {
      await quietly('apply -f manifests/namespace.yaml');
      // As Helm makes it, and as the API server fills it in: without a note of what was applied.
      const app = 'kms-vault-operator';
      const chart = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: app, namespace: 'vault' },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app } },
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
          template: {
            metadata: { labels: { app } },
            spec: {
              serviceAccountName: app,
              containers: [
                {
                  name: app,
                  image: 'patoarvizu/kms-vault-operator:v0.15.0',
                  command: ['/manager'],
                  args: ['--enable-leader-election', '--vault-authentication-method=userpass'],
                  env: [
                    { name: 'WATCH_NAMESPACE', value: '' },
                    { name: 'VAULT_ADDR', value: 'https://old:8200' },
                    { name: 'VAULT_SKIP_VERIFY', value: 'true' },
                  ],
                },
              ],
            },
          },
        },
      };
      await quietly('create -f -', JSON.stringify(chart));
      const { code, stderr } = await kubectl(`apply -k ${folderOfOurs}`);
      expect(code).toBe(0);
      // kubectl says that it did not apply the old one.
      expect(stderr.trim().split('\n')).toEqual([
        expect.stringMatching(
          /^Warning: resource deployments\/kms-vault-operator is missing the .* annotation/,
        ),
      ]);
      const { stdout } = await kubectl(`get deployment ${app} -n vault -o json`);
      const { spec } = JSON.parse(stdout) as { spec: { strategy: unknown; template: { spec: IPodSpec } } };
      expect(spec.strategy).toEqual(strategy);
      const [container, ...others] = spec.template.spec.containers;
      if (container === undefined) throw new Error('no container');
      expect(others).toEqual([]);
      expect(container.image).toMatch(/^patoarvizu\/kms-vault-operator:1\./);
      const started = startOf(container);
      if (started.program !== 'operator') throw new Error(started.program);
      const { auth, vault, leaderElection } = started.config;
      expect({ method: auth.method, skipVerify: vault.skipVerify }).toEqual({
        method: 'k8s',
        skipVerify: false,
      });
      expect(vault.address).not.toBe('https://old:8200');
      expect(leaderElection.enabled).toBe(strategy.type === 'RollingUpdate');
    },
    60_000,
  );
});
