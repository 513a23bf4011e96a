import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { accessReview, type ResourceAttributes } from '../../support/access-review.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const missing = spawnSync('kubectl', ['version', '--client']).status !== 0;
const withKubectl = missing ? describe.skip : describe;

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let server: LoopbackKubernetes;
let folder: string;

async function kubectl(args: string, input: object | string = ''): Promise<Output> {
  const own = ['--kubeconfig', join(folder, 'kubeconfig'), '--cache-dir', join(folder, 'cache')];
  return await new Promise((resolve) => {
    const child = execFile('kubectl', [...own, ...args.split(' ')], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, stdout, stderr });
    });
    child.stdin?.end(typeof input === 'string' ? input : JSON.stringify(input));
  });
}

function secret(name: string, spec: object): object {
  return { apiVersion: 'k8s.patoarvizu.dev/v1alpha1', kind: 'KMSVaultSecret', metadata: { name }, spec };
}
const SPEC = { path: 'secret/app', kvSettings: { engineVersion: 'v1' } };

withKubectl('the shipped manifests, with kubectl', () => {
  beforeAll(async () => {
    server = await startKubernetesServer();
    folder = mkdtempSync(join(tmpdir(), 'loopback-manifests-'));
    writeFileSync(join(folder, 'kubeconfig'), server.adminKubeconfig());
    for (const path of ['namespace.yaml', 'crds', 'rbac']) {
      expect(await kubectl(`apply -f manifests/${path}`)).toMatchObject({ code: 0, stderr: '' });
    }
    const waited = await kubectl('wait --for=condition=Established crd --all --timeout=10s');
    expect(waited).toMatchObject({ code: 0 });
    // Reads discovery again: kubectl cached it before the kinds existed.
    expect((await kubectl('api-resources --api-group=k8s.patoarvizu.dev')).stdout).toMatch(
      /kmsvaultsecrets +kmsvs .*\n(.*\n)?partialkmsvaultsecrets +pkmsvs /,
    );
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('can be applied again without a change', async () => {
    const { code, stdout } = await kubectl(
      'apply -f manifests/namespace.yaml -f manifests/crds -f manifests/rbac',
    );
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => !line.endsWith(' unchanged'))).toEqual([]);
    expect(lines.length).toBeGreaterThan(5);
  });

  it.each([
    ['kmsvs', ['KIND: *KMSVaultSecret', 'VERSION: *v1alpha1', 'spec\\s+<Object>']],
    [
      'kmsvs.spec',
      [
        'path\\s+<string> -required-',
        'secrets\\s+<\\[\\]Object>',
        'secretContext\\s+<map\\[string\\]string>',
      ],
    ],
    [
      'kmsvs.spec.kvSettings',
      ['casIndex\\s+<integer>', 'engineVersion\\s+<string> -required-', 'enum: v1, v2'],
    ],
    ['kmsvs.spec.secrets', ['encryptedSecret\\s+<string>', 'The ciphertext from AWS KMS']],
    ['kmsvs.status.conditions', ['lastTransitionTime\\s+<string> -required-']],
    ['pkmsvs.status', ['includedBy\\s+<integer>']],
    ['kmsvs.metadata', ["Standard object's metadata"]],
    ['deployments', ['GROUP: *apps', 'KIND: *Deployment']],
  ])('explains %s', async (path, patterns) => {
    const { code, stdout, stderr } = await kubectl(`explain ${path}`);
    expect([code, stderr]).toEqual([0, '']);
    for (const pattern of patterns) expect(stdout).toMatch(new RegExp(pattern));
  });

  it('explains the whole tree, and fails for an unknown field', async () => {
    const { stdout } = await kubectl('explain kmsvs --recursive');
    expect(stdout).toMatch(/ {2}status\s+<Object>\n(.*\n)*? +failedKeys\s+<\[\]Object>\n +key\s+<string>/);
    const ghost = await kubectl('explain kmsvs.spec.ghost');
    expect(ghost.code).toBe(1);
    expect(ghost.stderr).toContain('field "ghost" does not exist');
  });

  it('shows the documented columns', async () => {
    await kubectl('apply -f -', secret('shown', SPEC));
    const { stdout } = await kubectl('get kmsvs');
    expect(stdout).toMatch(/^NAME +PATH +ENGINE +READY +REASON +KEYS +AGE\nshown +secret\/app +v1 +\d+s\n$/);
    expect((await kubectl('get pkmsvs')).stderr).toContain('No resources found');
  });

  it('refuse an invalid object and name the field', async () => {
    const bad = secret('bad', { ...SPEC, kvSettings: { engineVersion: 'v3', casIndex: -1 } });
    const { code, stderr } = await kubectl('apply -f -', bad);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'spec.kvSettings.engineVersion: Unsupported value: "v3": supported values: "v1", "v2"',
    );
    expect(stderr).toContain('spec.kvSettings.casIndex in body should be greater than or equal to 0');
    const odd = await kubectl('apply -f -', secret('odd', { ...SPEC, encryptedSecret: 'x' }));
    expect(odd.stderr).toContain('unknown field "spec.encryptedSecret"');
  });

  const group = 'k8s.patoarvizu.dev';
  it.each<[string, ResourceAttributes]>([
    ['true', { group, verb: 'patch', resource: 'kmsvaultsecrets', subresource: 'status' }],
    ['true', { group, verb: 'watch', resource: 'partialkmsvaultsecrets' }],
    ['true', { verb: 'create', resource: 'events' }],
    ['false', { group, verb: 'update', resource: 'kmsvaultsecrets' }],
    ['false', { group, verb: 'delete', resource: 'kmsvaultsecrets' }],
    ['false', { verb: 'get', resource: 'secrets' }],
    ['false', { group: 'apiextensions.k8s.io', verb: 'get', resource: 'customresourcedefinitions' }],
  ])('allow the operator (%s): %j', async (allowed, attributes) => {
    const review = accessReview('vault:kms-vault-operator', { ...attributes, namespace: 'default' });
    const create = 'create --validate=false -f - -o jsonpath={.status.allowed}';
    expect(await kubectl(create, review)).toMatchObject({ code: 0, stdout: allowed });
  });
});
