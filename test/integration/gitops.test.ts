import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { DELETE_FINALIZER } from '../../src/api/group.js';
import { hasKubectl, renderKustomization } from '../../scripts/manifests/rendering.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';
import { type Block, readDocument } from '../unit/docs/markdown.js';

const hasJq = spawnSync('jq', ['--version']).status === 0;
const withKubectl = hasKubectl() ? describe : describe.skip;
const withJq = hasJq ? it : it.skip;

const SAMPLES = readdirSync('manifests/samples').map((file) => `manifests/samples/${file}`);
const { blocks } = readDocument('docs/gitops.md');
const CRD = 'kmsvaultsecrets.k8s.patoarvizu.dev';

function block(language: string, part: string): Block {
  const found = blocks.find((one) => one.language === language && one.text.includes(part));
  if (found === undefined) throw new Error(`docs/gitops.md has no block with ${part}`);
  return found;
}

let fixture: OperatorFixture;
let folder: string;

interface Output {
  readonly code: number;
  readonly output: string;
}

/** Runs lines as a shell does, with the cluster of this test. */
async function shell(script: string): Promise<Output> {
  const env = { ...process.env, KUBECONFIG: join(folder, 'kubeconfig'), KUBECACHEDIR: join(folder, 'cache') };
  return await new Promise((resolve) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

/** @returns what it prints. @throws Error when it fails. */
async function succeed(script: string): Promise<string> {
  const { code, output } = await shell(script);
  if (code !== 0) throw new Error(`${script}: ${String(code)}: ${output}`);
  return output;
}

const files = SAMPLES.map((file) => `-f ${file}`).join(' ');
const secretIn = (namespace: string, name: string, spec: object = {}): object =>
  fixture.secret(
    name,
    {
      path: `secret/data/${name}`,
      kvSettings: { engineVersion: 'v2' },
      secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('one') }],
      ...spec,
    },
    { namespace, finalizers: [DELETE_FINALIZER] },
  );

const namespace = (name: string): object => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

async function apply(object: object): Promise<void> {
  await succeed(`kubectl apply -f - <<'END'\n${JSON.stringify(object)}\nEND`);
}

withKubectl('a cluster that a GitOps tool manages (skipped where kubectl is not on the PATH)', () => {
  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
    folder = mkdtempSync(join(tmpdir(), 'gitops-'));
    writeFileSync(join(folder, 'kubeconfig'), fixture.servers.kubernetes.adminKubeconfig(), { mode: 0o600 });
    await fixture.start(['--sync-period-seconds=1']);
  }, 60_000);

  afterEach(async () => {
    await fixture.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows no difference for resources that the operator has synced', async () => {
    await succeed(`kubectl apply ${files}`);
    await succeed('kubectl wait --for=condition=Ready kmsvs,pkmsvs --all --timeout=30s');
    expect(await shell(`kubectl diff ${files}`)).toEqual({ code: 0, output: '' });
    const lines = (await succeed(`kubectl apply ${files}`)).trim().split('\n');
    expect(lines.filter((line) => !line.endsWith(' unchanged'))).toEqual([]);
    const generations = await succeed('kubectl get kmsvs,pkmsvs -o jsonpath={.items[*].metadata.generation}');
    expect(new Set(generations.split(' '))).toEqual(new Set(['1']));
    // A difference is seen: the manifest has another path.
    const changed = readFileSync('manifests/samples/billing.yaml', 'utf8').replace(
      /path: .*/,
      'path: kv/new',
    );
    expect((await shell(`kubectl diff -f - <<'END'\n${changed}\nEND`)).code).toBe(1);
  }, 60_000);

  it('keeps a suspension that is not in the manifest, and ends one that the manifest denies', async () => {
    const spec = { path: 'secret/data/held', kvSettings: { engineVersion: 'v2' }, secrets: [] };
    const suspended = 'kubectl get kmsvs held -o jsonpath={.spec.suspend}';
    await apply(fixture.secret('held', spec));
    await succeed(`kubectl patch kmsvs held --type=merge -p '{"spec":{"suspend":true}}'`);
    await apply(fixture.secret('held', spec));
    expect(await succeed(suspended)).toBe('true');
    await apply(fixture.secret('held', { ...spec, suspend: false }));
    expect(await succeed(suspended)).toBe('false');
  }, 60_000);

  it('loses a namespace with the values of its resources', async () => {
    await apply(namespace('shop'));
    await apply(secretIn('shop', 'web'));
    await fixture.inVault('secret/data/web', { a: 'one' });
    await succeed('kubectl delete namespace shop --timeout=30s');
    await fixture.inVault('secret/data/web', undefined);
  }, 60_000);

  it('loses a definition with the values of its resources', async () => {
    await apply(secretIn('default', 'web'));
    await fixture.inVault('secret/data/web', { a: 'one' });
    await succeed(`kubectl delete crd ${CRD} --timeout=30s`);
    await fixture.inVault('secret/data/web', undefined);
  }, 60_000);

  it('waits for a suspended resource before a namespace goes', async () => {
    await apply(namespace('shop'));
    await apply(secretIn('shop', 'web'));
    await fixture.inVault('secret/data/web', { a: 'one' });
    await apply(secretIn('shop', 'web', { suspend: true }));
    await succeed('kubectl -n shop wait kmsvs web --for=condition=Suspended --timeout=30s');
    await succeed('kubectl delete namespace shop --wait=false');
    await eventually('the deletion is held', async () => {
      const { status } = await fixture.kube.get('KMSVaultSecret', 'shop', 'web');
      return JSON.stringify(status).includes('being deleted');
    });
    await fixture.inVault('secret/data/web', { a: 'one' });
    await succeed(`kubectl -n shop patch kmsvs web --type=merge -p '{"spec":{"suspend":false}}'`);
    await succeed('kubectl wait namespace shop --for=delete --timeout=30s');
    await fixture.inVault('secret/data/web', undefined);
  }, 60_000);

  withJq(
    'gets rid of everything without an operator, by the lines of the guide',
    async () => {
      await apply(namespace('shop'));
      await apply(secretIn('shop', 'web'));
      await fixture.inVault('secret/data/web', { a: 'one' });
      await fixture.stop();
      await succeed(`kubectl delete namespace shop --wait=false && kubectl delete crd ${CRD} --wait=false`);
      expect((await shell('kubectl wait namespace shop --for=delete --timeout=1s')).code).toBe(1);
      await succeed(block('sh', 'kubectl get kmsvs,pkmsvs --all-namespaces').text);
      expect(await succeed(block('sh', 'kubectl replace -f -').text)).toContain('secret/data/web');
      await succeed(`kubectl wait namespace/shop crd/${CRD} --for=delete --timeout=30s`);
      await fixture.inVault('secret/data/web', { a: 'one' });
    },
    60_000,
  );

  withJq(
    'gives Argo CD the health check, by the line of the guide',
    async () => {
      await apply(namespace('argocd'));
      await apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'argocd-cm', namespace: 'argocd' },
      });
      await succeed(block('sh', '--rawfile health').text);
      const stored = await succeed('kubectl -n argocd get configmap argocd-cm -o json');
      const snippet = parse(block('yaml', 'argocd-cm').text) as { data: Readonly<Record<string, string>> };
      expect((JSON.parse(stored) as typeof snippet).data).toEqual(snippet.data);
      const script = readFileSync('manifests/argocd/health.lua', 'utf8');
      const kinds = ['KMSVaultSecret', 'PartialKMSVaultSecret'];
      expect(snippet.data).toEqual(
        Object.fromEntries(
          kinds.map((kind) => [`resource.customizations.health.k8s.patoarvizu.dev_${kind}`, script]),
        ),
      );
    },
    60_000,
  );
});

withKubectl('sync waves of the guide (skipped where kubectl is not on the PATH)', () => {
  it('apply the definitions first and the configuration of the webhook last', async () => {
    const text = block('yaml', 'sync-wave').text.replaceAll('../../', '../../kustomize/');
    const { objects, faults } = await renderKustomization(parse(text) as object);
    expect(faults).toEqual([]);
    const waves = objects.map(({ kind, metadata }) => {
      const wave = metadata.annotations?.['argocd.argoproj.io/sync-wave'];
      return [kind, wave] as const;
    });
    expect(waves.filter(([, wave]) => wave !== undefined)).toEqual([
      ['CustomResourceDefinition', '-1'],
      ['CustomResourceDefinition', '-1'],
      ['ValidatingWebhookConfiguration', '1'],
    ]);
    expect(waves.map(([kind]) => kind)).toEqual(expect.arrayContaining(['Deployment', 'Certificate']));
  }, 60_000);
});
