import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient } from '../servers/kubernetes/raw-client.js';
import { type LoopbackKubernetes, startKubernetesServer } from '../servers/kubernetes/server.js';
import { webhookAdmission } from '../servers/kubernetes/webhook-admission.js';
import type { Json } from '../support/http-json.js';
import { shippedCrds } from '../support/installation.js';
import { KubeApi } from '../support/kube-api.js';
import { WebhookFixture } from './webhook-fixture.js';

const NAME = 'kms-vault-validating-webhook';
const HOOK = `${NAME}.patoarvizu.dev`;
const SECRETS = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/default/kmsvaultsecrets';
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
const services: Record<string, { host: string; port: number }> = {};

let fixture: WebhookFixture;
let server: LoopbackKubernetes;
let client: RawClient;
let directory: string;

function configuration(clientConfig: Json, more: Json = {}): Json {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: NAME },
    webhooks: [
      {
        name: HOOK,
        clientConfig,
        admissionReviewVersions: ['v1', 'v1beta1'],
        sideEffects: 'None',
        namespaceSelector: { matchExpressions: [{ key: 'kms-vault-operator', operator: 'DoesNotExist' }] },
        rules: [
          {
            apiGroups: ['k8s.patoarvizu.dev'],
            apiVersions: ['v1alpha1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['kmsvaultsecrets', 'partialkmsvaultsecrets'],
          },
        ],
        ...more,
      },
    ],
  };
}

function throughService(): Json {
  return {
    service: { namespace: 'vault', name: NAME, path: '/validate' },
    caBundle: Buffer.from(fixture.authority.cert).toString('base64'),
  };
}

function secret(name: string, encryptedSecret: string, more: Json = {}): Json {
  return {
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind: 'KMSVaultSecret',
    metadata: { name, namespace: 'default' },
    spec: {
      path: 'kv/app',
      kvSettings: { engineVersion: 'v1' },
      secrets: [{ key: 'a', encryptedSecret }],
      ...more,
    },
  };
}

async function configure(body: Json): Promise<void> {
  await client.delete(`${CONFIGURATIONS}/${NAME}`);
  const { status, text } = await client.post(CONFIGURATIONS, body);
  if (status !== 201) throw new Error(text);
}

async function kubectl(...parameters: readonly string[]): Promise<{ code: number | null; output: string }> {
  const own = ['--kubeconfig', join(directory, 'kubeconfig'), '--cache-dir', join(directory, 'cache')];
  return await new Promise((resolve) => {
    const child = spawn('kubectl', [...own, ...parameters]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => {
      resolve({ code, output });
    });
  });
}

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  fixture.mount(await fixture.issue({ dnsNames: [`${NAME}.vault.svc`] }));
  await fixture.start();
  services[`vault/${NAME}`] = { host: '127.0.0.1', port: fixture.port };
  server = await startKubernetesServer({ admission: webhookAdmission({ services }) });
  client = new RawClient(server);
  const kube = new KubeApi(server.adminKubeconfig());
  await kube.applyAll(shippedCrds());
  kube.close();
  directory = mkdtempSync(join(tmpdir(), 'webhook-kubectl-'));
  writeFileSync(join(directory, 'kubeconfig'), server.adminKubeconfig(), { mode: 0o600 });
  await configure(configuration(throughService()));
});

afterEach(() => {
  fixture.kms.faults.clear();
  fixture.kms.requests.clear();
});

afterAll(async () => {
  client.close();
  await server.stop();
  await fixture.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('a Kubernetes API server with the webhook', () => {
  it('passes a refusal on to the client', async () => {
    const { status, body } = await client.post(SECRETS, secret('bad', 'UnencryptedSecret!'));
    expect(status).toBe(403);
    expect(body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message:
        `admission webhook "${HOOK}" denied the request: KMSVaultSecret default/bad cannot be synced: ` +
        'key "a": encryptedSecret is not base64; give the base64 of the ciphertext, with its padding',
      reason: 'Forbidden',
      code: 403,
    });
    expect(server.peek('KMSVaultSecret', 'default', 'bad')).toBeUndefined();
  });

  it('passes warnings on to the client, and stores nothing on a dry run', async () => {
    const body = secret('dry', fixture.encrypt('x'), { kvSettings: { engineVersion: 'v1', casIndex: 1 } });
    const { status, headers } = await client.post(`${SECRETS}?dryRun=All`, body);
    expect(status).toBe(201);
    expect(headers.warning).toBe(
      '299 - "spec.kvSettings.casIndex is ignored with engineVersion v1; leave it out"',
    );
    expect(server.peek('KMSVaultSecret', 'default', 'dry')).toBeUndefined();
  });

  it('lets the life of a resource go on when its key is gone', async () => {
    const finalizers = ['delete.k8s.patoarvizu.dev'];
    const body = secret('old', fixture.encrypt('x'));
    body.metadata.finalizers = finalizers;
    expect((await client.post(SECRETS, body)).status).toBe(201);
    fixture.kms.requests.clear();
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const at = `${SECRETS}/old`;
    expect((await client.patch(at, { metadata: { labels: { a: 'b' } } })).status).toBe(200);
    expect((await client.patch(`${at}/status`, { status: { created: true } })).status).toBe(200);
    expect((await client.delete(at)).status).toBe(200);
    expect(server.peek('KMSVaultSecret', 'default', 'old')?.metadata.deletionTimestamp).toBeDefined();
    expect((await client.patch(at, { metadata: { finalizers: null } })).status).toBe(200);
    expect(server.peek('KMSVaultSecret', 'default', 'old')).toBeUndefined();
    expect(fixture.kms.decrypts).toBe(0);
  });

  it('gets an answer before it gives up when KMS hangs', async () => {
    await configure(configuration(throughService(), { timeoutSeconds: 1 }));
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const { status, body } = await client.post(SECRETS, secret('slow', fixture.encrypt('x')));
    expect([status, body.reason]).toEqual([503, 'ServiceUnavailable']);
    expect(body.message).toMatch(/denied the request: .*KMS did not answer in time/);
    await configure(configuration(throughService()));
  });

  it('asks about namespaces that are selected only, and in the older version when that is the first', async () => {
    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'exempt', labels: { 'kms-vault-operator': 'off' } },
    };
    expect((await client.post('/api/v1/namespaces', namespace)).status).toBe(201);
    const exempt = { ...secret('bad', '!'), metadata: { name: 'bad', namespace: 'exempt' } };
    expect((await client.post(SECRETS.replace('default', 'exempt'), exempt)).status).toBe(201);
    await configure(configuration(throughService(), { admissionReviewVersions: ['v1beta1'] }));
    expect((await client.post(SECRETS, secret('bad', '!'))).status).toBe(403);
    expect((await client.post(SECRETS, secret('fine', fixture.encrypt('x')))).status).toBe(201);
  });

  it('calls by URL, checks the certificate, and follows the failure policy', async () => {
    const caBundle = Buffer.from(fixture.authority.cert).toString('base64');
    const url = `https://localhost:${String(fixture.port)}/`;
    await configure(configuration({ url, caBundle }));
    const refused = await client.post(SECRETS, secret('by-url', fixture.encrypt('x')));
    expect([refused.status, refused.body.reason]).toEqual([500, 'InternalError']);
    expect(refused.body.message).toMatch(
      /^Internal error occurred: failed calling webhook "kms-vault-validating-webhook\.patoarvizu\.dev": failed to call webhook: Post "https:\/\/localhost:\d+\/\?timeout=10s": tls: failed to verify certificate/,
    );
    await configure(configuration({ url, caBundle }, { failurePolicy: 'Ignore' }));
    expect((await client.post(`${SECRETS}?dryRun=All`, secret('by-url', '!'))).status).toBe(201);
    fixture.mount(await fixture.issue({ dnsNames: ['localhost', `${NAME}.vault.svc`] }));
    await configure(configuration({ url, caBundle }));
    const deadline = Date.now() + 10_000;
    let status = 500;
    while (status === 500 && Date.now() < deadline) {
      status = (await client.post(SECRETS, secret('by-url', '!'))).status;
    }
    expect(status).toBe(403);
  });

  it.each([
    [
      'sideEffects',
      { sideEffects: 'Some' },
      /sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"/,
    ],
    ['timeoutSeconds', { timeoutSeconds: 31 }, /the timeout value must be between 1 and 30 seconds/],
    ['versions', { admissionReviewVersions: ['v9'] }, /must include at least one of v1, v1beta1/],
    ['the client', { clientConfig: {} }, /exactly one of url or service is required/],
    ['plain HTTP', { clientConfig: { url: 'http://x/' } }, /'https' is the only allowed URL scheme/],
    ['the name', { name: 'short' }, /should be a domain with at least three segments separated by dots/],
  ])('does not take a configuration with a wrong %s', async (_what, more, message) => {
    const body = configuration(throughService(), more);
    const answer = await client.post(CONFIGURATIONS, { ...body, metadata: { name: 'wrong' } });
    expect([answer.status, answer.body.reason]).toEqual([422, 'Invalid']);
    expect(answer.body.message).toMatch(message);
  });

  (hasKubectl ? it : it.skip)('shows refusals and warnings to whoever uses kubectl apply', async () => {
    await configure(configuration(throughService()));
    const file = join(directory, 'secret.json');
    const apply = async (body: Json): ReturnType<typeof kubectl> => {
      writeFileSync(file, JSON.stringify(body));
      return await kubectl('apply', '-f', file);
    };
    const refused = await apply(secret('kubectl', 'UnencryptedSecret!', { path: 'sys/x' }));
    expect(refused.code).toBe(1);
    expect(refused.output).toContain(`Error from server (Forbidden): error when creating`);
    expect(refused.output).toContain(
      `admission webhook "${HOOK}" denied the request: KMSVaultSecret default/kubectl cannot be synced: ` +
        'spec.path lies in sys/, which holds no K/V secrets; key "a": encryptedSecret is not base64',
    );
    const body = secret('kubectl', fixture.encrypt('x'));
    body.spec.secrets.push({ key: 'nothing' });
    const warned = await apply(body);
    expect(warned).toMatchObject({ code: 0 });
    expect(warned.output).toContain(
      'Warning: key "nothing": neither encryptedSecret nor emptySecret: true, so it is skipped',
    );
    expect(warned.output).toContain('kmsvaultsecret.k8s.patoarvizu.dev/kubectl created');
    body.spec.secrets.push({ key: 'new', encryptedSecret: fixture.encrypt('x').slice(0, 24) });
    const changed = await apply(body);
    expect(changed.code).toBe(1);
    expect(changed.output).toMatch(/key "new": KMS rejected the ciphertext or its encryption context/);
  });
});

describe('webhookAdmission', () => {
  let fake: Server;
  let answer: (uid: string) => { status: number; body: Json };
  let asked: { url: string | undefined; headers: Json; body: Json };

  beforeAll(async () => {
    const { cert, key } = await fixture.issue();
    fake = createServer({ cert, key }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const review = JSON.parse(Buffer.concat(chunks).toString());
        asked = { url: request.url, headers: request.headers, body: review };
        const { status, body } = answer(review.request.uid);
        response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${String((fake.address() as AddressInfo).port)}/`;
    await configure(configuration({ url, caBundle: Buffer.from(fixture.authority.cert).toString('base64') }));
  });

  afterAll(() => {
    fake.close();
  });

  const review = (response: Json, apiVersion = 'admission.k8s.io/v1'): Json => ({
    kind: 'AdmissionReview',
    apiVersion,
    response,
  });

  it.each([
    [
      'refuses without a status',
      (uid: string) => review({ uid, allowed: false }),
      400,
      'denied the request without explanation',
    ],
    [
      'gives a reason only',
      (uid: string) => review({ uid, allowed: false, status: { reason: 'Because' } }),
      400,
      'denied the request: Because',
    ],
    [
      'answers another review',
      () => review({ uid: 'x', allowed: true }),
      500,
      'received invalid webhook response: expected response.uid=',
    ],
    [
      'answers in another version',
      (uid: string) => review({ uid, allowed: true }, 'admission.k8s.io/v1beta1'),
      500,
      'expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview',
    ],
    ['answers no JSON', () => 'nonsense', 500, "couldn't get version/kind; json parse error"],
  ] as const)('tells when the webhook %s', async (_what, body, status, message) => {
    answer = (uid) => ({ status: 200, body: body(uid) });
    const got = await client.post(SECRETS, secret('any', '!'));
    expect(got.status).toBe(status);
    expect(got.body.message).toContain(message);
  });

  it('asks as a real server does, whose request was recorded', async () => {
    answer = (uid) => ({ status: 200, body: review({ uid, allowed: true }) });
    expect((await client.post(`${SECRETS}?dryRun=All`, secret('any', 'AAAA'))).status).toBe(201);
    const { url, headers, body } = asked;
    expect(url).toBe('/?timeout=10s');
    expect(headers).toMatchObject({
      'user-agent': 'kube-apiserver-admission',
      accept: 'application/json, */*',
      'content-type': 'application/json',
    });
    const group = { group: 'k8s.patoarvizu.dev', version: 'v1alpha1' };
    expect(body).toEqual({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: {
        uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        kind: { ...group, kind: 'KMSVaultSecret' },
        resource: { ...group, resource: 'kmsvaultsecrets' },
        requestKind: { ...group, kind: 'KMSVaultSecret' },
        requestResource: { ...group, resource: 'kmsvaultsecrets' },
        name: 'any',
        namespace: 'default',
        operation: 'CREATE',
        userInfo: { username: expect.any(String), groups: expect.arrayContaining(['system:masters']) },
        object: expect.objectContaining({ kind: 'KMSVaultSecret', spec: expect.any(Object) }),
        oldObject: null,
        dryRun: true,
        options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      },
    });
  });

  it('tells when the webhook fails', async () => {
    answer = () => ({ status: 503, body: '' });
    const got = await client.post(SECRETS, secret('any', '!'));
    expect(got.body.message).toContain(
      'an error on the server ("unknown") has prevented the request from succeeding',
    );
  });
});
