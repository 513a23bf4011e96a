import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { ChildProgram } from '../support/child-program.js';
import type { Json, JsonAnswer } from '../support/http-json.js';
import type { Manifest } from '../support/kube-api.js';
import { eventually } from '../support/wait.js';
import { configureWebhook, postTo, REACHABLE, refusalInForce } from './admission.js';
import { E2eServers } from './servers.js';

const FINALIZER = 'delete.k8s.patoarvizu.dev';
const HAS_KUBECTL = spawnSync('kubectl', ['version', '--client']).status === 0;
const withWebhook = REACHABLE ? describe : describe.skip;
const withKubectl = HAS_KUBECTL ? it : it.skip;

let servers: E2eServers;
let webhook: ChildProgram;

async function configure(clientConfig: Json, more: Json = {}): Promise<void> {
  await configureWebhook(servers, clientConfig, more);
}

function body(name: string, secrets: Json[], more: Json = {}, metadata: Json = {}): Manifest {
  const spec = { path: `${servers.v1}/${name}`, kvSettings: { engineVersion: 'v1' }, secrets, ...more };
  return servers.secret(name, spec, metadata);
}

async function post(manifest: Manifest, query = ''): Promise<JsonAnswer> {
  return await postTo(servers, manifest, query);
}

async function inForce(message: RegExp): Promise<void> {
  await refusalInForce(servers, body('probe', [{ key: 'a', encryptedSecret: '!' }]), message);
}

async function kubectlApply(
  manifest: Manifest,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const file = join(servers.directory, 'manifest.json');
  const kubeconfig = join(servers.directory, 'admin-kubeconfig');
  writeFileSync(file, JSON.stringify(manifest));
  writeFileSync(kubeconfig, servers.endpoints.kubeconfig, { mode: 0o600 });
  const cache = join(servers.directory, 'cache');
  return await new Promise((resolve) => {
    const child = spawn('kubectl', [
      '--kubeconfig',
      kubeconfig,
      '--cache-dir',
      cache,
      'apply',
      '--filename',
      file,
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => {
      resolve({ code, output });
    });
  });
}

withWebhook('kms-vault-validating-webhook', () => {
  beforeAll(async () => {
    servers = await E2eServers.prepare();
    const started = await servers.startWebhook();
    webhook = started.program;
    await configure(started.clientConfig);
    await inForce(/encryptedSecret is not base64/);
  }, 120_000);

  afterAll(async () => {
    await (servers as E2eServers | undefined)?.cleanUp();
  }, 60_000);

  it.each([['v1'], ['v1beta1']])(
    'refuses in AdmissionReview %s, with every problem named',
    async (version) => {
      const { clientConfig } = await configurationInUse();
      await configure(clientConfig, { admissionReviewVersions: [version] });
      await inForce(/encryptedSecret is not base64/);
      const items = [
        { key: 'plain', encryptedSecret: 'UnencryptedSecret!' },
        { key: 'foreign', encryptedSecret: await servers.encrypt('never-decrypted', { another: 'context' }) },
        { key: 'good', encryptedSecret: await servers.encrypt('decrypted-at-admission') },
      ];
      const { status, json } = await post(body('refused', items, { path: 'sys/mounts' }));
      expect(status).toBe(403);
      expect(json.message).toContain('denied the request: KMSVaultSecret');
      expect(json.message).toContain('sys/, which contains no K/V secrets');
      expect(json.message).toContain('key "plain": encryptedSecret is not base64');
      expect(json.message).toContain('key "foreign": KMS rejected the ciphertext or its encryption context');
      expect(json.message).not.toContain('"good"');
      expect(await servers.get('refused')).toBeUndefined();
    },
  );

  it('judges a dry run, and stores nothing', async () => {
    const good = [{ key: 'good', encryptedSecret: await servers.encrypt('decrypted-at-dry-run') }];
    expect((await post(body('dry', good), '?dryRun=All')).status).toBe(201);
    expect(await servers.get('dry')).toBeUndefined();
  });

  it('accepts an item of a partial that KMS rejects, because the context may come from an includer', async () => {
    const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('later', { later: 'context' }) }];
    expect((await post(servers.partial('partial', { secrets }))).status).toBe(201);
    const broken = await post(servers.partial('broken', { secrets: [{ key: 'a', encryptedSecret: '!' }] }));
    expect(broken.status).toBe(403);
    expect(broken.json.message).toContain('PartialKMSVaultSecret');
  });

  it('lets the operator work: its patches of status and finalizers pass, also when the key is gone', async () => {
    const operator = await servers.startOperator();
    const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('synced-behind-the-webhook') }];
    await servers.kube.apply(body('life', secrets, {}, { finalizers: [FINALIZER] }));
    await servers.inVault(`${servers.v1}/life`, { a: 'synced-behind-the-webhook' });
    await servers.reason('life', 'Synced');
    // From here on KMS is out of reach of the webhook.
    const cut = await servers.startWebhook([], { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' });
    await configure(cut.clientConfig);
    await eventually('a change is refused because of KMS', async () => {
      const { status, json } = await post(body('kms-gone', secrets), '?dryRun=All');
      return status >= 500 && /KMS could not check .*apply it again/.test(String(json?.message));
    });
    await servers.kube.patch('KMSVaultSecret', servers.namespace, 'life', {
      metadata: { annotations: { note: 'x' } },
    });
    await servers.kube.delete('KMSVaultSecret', servers.namespace, 'life');
    await eventually('it is gone', async () => (await servers.get('life')) === undefined);
    await servers.inVault(`${servers.v1}/life`, undefined);
    expect(await operator.stop()).toBe(0);
    // With -on-kms-error=allow the same is a warning.
    const lenient = await servers.startWebhook(['-on-kms-error=allow'], {
      AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1',
    });
    await configure(lenient.clientConfig);
    await eventually(
      'it is allowed',
      async () => (await post(body('kms-gone', secrets), '?dryRun=All')).status === 201,
    );
    for (const { program } of [cut, lenient]) expect(await program.stop()).toBe(0);
  }, 60_000);

  withKubectl(
    'shows refusals and warnings to whoever uses kubectl apply',
    async () => {
      const started = await servers.startWebhook();
      await configure(started.clientConfig);
      await inForce(/encryptedSecret is not base64/);
      const refused = await kubectlApply(body('applied', [{ key: 'a', encryptedSecret: 'plain text!' }]));
      expect(refused.code).toBe(1);
      expect(refused.output).toContain('key "a": encryptedSecret is not base64');
      const good = { key: 'a', encryptedSecret: await servers.encrypt('applied-with-kubectl') };
      const warned = await kubectlApply(body('applied', [good, { key: 'nothing' }]));
      expect(warned.output).toContain(
        'Warning: key "nothing": it has neither encryptedSecret nor emptySecret: true, so it is skipped',
      );
      expect(warned).toMatchObject({ code: 0 });
      const changed = await kubectlApply(body('applied', [good, { key: 'b', encryptedSecret: 'AAAA' }]));
      expect(changed.code).toBe(1);
      expect(changed.output).toContain('key "b": KMS rejected the ciphertext');
    },
    60_000,
  );

  it('tells nothing secret, and ends with 0', async () => {
    const metrics = await fetch(`${await webhook.address('serving metrics and health')}/metrics`);
    const told = (await metrics.text()) + servers.output();
    expect(told).toContain('kms_vault_webhook_admission_total');
    expect(await webhook.stop()).toBe(0);
    for (const secret of servers.secrets) expect(told.includes(secret)).toBe(false);
  });
});

async function configurationInUse(): Promise<Json> {
  const found = await servers.kube.get('ValidatingWebhookConfiguration', '', servers.runId);
  return found.webhooks[0];
}
