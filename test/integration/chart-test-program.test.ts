import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { type LoopbackKubernetes, startKubernetesServer } from '../servers/kubernetes/server.js';
import { ChildProgram } from '../support/child-program.js';
import { installInCluster, operatorKubeToken } from '../support/installation.js';
import { KubeApi } from '../support/kube-api.js';
import { WebhookFixture } from './webhook-fixture.js';

const PROGRAM = readFileSync('charts/kms-vault-operator/files/test.mjs', 'utf8');
const API = 'k8s.patoarvizu.dev/v1alpha1';

let server: LoopbackKubernetes;
let webhook: WebhookFixture;
let kube: KubeApi;
let folder: string;
let token: string;

/** Runs the program as the pod of `helm test` does. */
async function run(
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; lines: string[] }> {
  const child = new ChildProgram('--input-type=module', ['--eval', PROGRAM], {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: new URL(server.url).port,
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt'),
    TOKEN_FILE: join(folder, 'token'),
    NAMESPACES: '',
    WEBHOOK: '',
    ...env,
  });
  const { code } = await child.exited;
  expect(child.output).not.toContain(token);
  return { code, lines: child.output.trim().split('\n') };
}

describe('the program of `helm test`', () => {
  beforeAll(async () => {
    webhook = await WebhookFixture.prepare();
    await webhook.start();
    folder = mkdtempSync(join(tmpdir(), 'helm-test-'));
  });

  beforeEach(async () => {
    server = await startKubernetesServer();
    kube = new KubeApi(server.adminKubeconfig());
    await installInCluster(kube);
    token = await operatorKubeToken(kube);
    writeFileSync(join(folder, 'ca.crt'), server.caCert);
    writeFileSync(join(folder, 'token'), token);
  });

  afterEach(async () => {
    await server.stop();
  });

  afterAll(async () => {
    await webhook.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says how many resources are ready, and that the webhook refuses what is wrong', async () => {
    await kube.apply({
      apiVersion: API,
      kind: 'KMSVaultSecret',
      metadata: { name: 'web', namespace: 'default' },
      spec: { path: 'secret/data/web', kvSettings: { engineVersion: 'v2' } },
    });
    const { code, lines } = await run({ WEBHOOK: `https://127.0.0.1:${String(webhook.port)}/validate` });
    expect(lines).toEqual([
      'ok: kmsvaultsecrets: 0 of 1 Ready',
      'ok: partialkmsvaultsecrets: 0 found',
      'ok: webhook: refuses a wrong path',
    ]);
    expect(code).toBe(0);
  });

  it('names each namespace that the account may not list', async () => {
    await kube.delete('ClusterRoleBinding', '', 'kms-vault-operator');
    const { code, lines } = await run({ NAMESPACES: 'default,other' });
    expect(lines).toHaveLength(4);
    for (const line of lines)
      expect(line).toMatch(
        /^FAILED: (partial)?kmsvaultsecrets in (default|other): HTTP 403: .*cannot list resource/,
      );
    expect(code).toBe(1);
  });

  it('says that the definitions are missing, that the webhook does not answer, or that something else answers for it', async () => {
    await kube.delete('CustomResourceDefinition', '', 'partialkmsvaultsecrets.k8s.patoarvizu.dev');
    const silent = await run({ WEBHOOK: 'https://127.0.0.1:1/validate' });
    expect(silent.lines).toEqual([
      'ok: kmsvaultsecrets: 0 of 0 Ready',
      expect.stringMatching(/^FAILED: partialkmsvaultsecrets: HTTP 404: /),
      expect.stringMatching(/^FAILED: webhook: .*ECONNREFUSED/),
    ]);
    expect(silent.code).toBe(1);
    const other = await run({ WEBHOOK: `${server.url}/validate` });
    expect(other.lines[2]).toMatch(/^FAILED: webhook: HTTP 403, and it did not refuse a wrong path/);
  });
});
