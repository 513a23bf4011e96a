import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../../support/http-json.js';
import { shippedCrds } from '../../support/installation.js';
import { KubeApi } from '../../support/kube-api.js';
import { TestAuthority } from '../shared/certificates.js';
import { RawClient } from './raw-client.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';
import { webhookAdmission } from './webhook-admission.js';

const NAME = 'kms-vault-validating-webhook';
const HOOK = `${NAME}.patoarvizu.dev`;
const SECRETS = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/default/kmsvaultsecrets';
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';

const review = (response: Json, apiVersion = 'admission.k8s.io/v1'): Json => ({
  kind: 'AdmissionReview',
  apiVersion,
  response,
});

const deny = (uid: string): { status: number; body: Json } => ({
  status: 200,
  body: review({ uid, allowed: false }),
});

/** A webhook with the answer of a test; its certificate is for 127.0.0.1. */
class FakeWebhook {
  answer: (uid: string) => { status: number; body: Json } = deny;
  asked: { readonly url?: string | undefined; readonly headers?: Json; readonly body?: Json } = {};

  private constructor(
    private readonly server: Server,
    private readonly authority: TestAuthority,
  ) {}

  static async start(): Promise<FakeWebhook> {
    const authority = await TestAuthority.create();
    const server = createServer(
      await authority.issue({ dnsNames: ['webhook.test'], ipAddresses: ['127.0.0.1'] }),
    );
    const webhook = new FakeWebhook(server, authority);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const seen = JSON.parse(Buffer.concat(chunks).toString());
        webhook.asked = { url: request.url, headers: request.headers, body: seen };
        const { status, body } = webhook.answer(seen.request.uid);
        response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return webhook;
  }

  get clientConfig(): Json {
    return this.configFor('127.0.0.1');
  }

  configFor(host: string): Json {
    const url = `https://${host}:${String((this.server.address() as AddressInfo).port)}/`;
    return { url, caBundle: Buffer.from(this.authority.cert).toString('base64') };
  }

  close(): void {
    this.server.close();
  }
}

let webhook: FakeWebhook;
let server: LoopbackKubernetes;
let client: RawClient;

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

beforeAll(async () => {
  webhook = await FakeWebhook.start();
  server = await startKubernetesServer({ admission: webhookAdmission() });
  client = new RawClient(server);
  const kube = new KubeApi(server.adminKubeconfig());
  await kube.applyAll(shippedCrds());
  kube.close();
});

beforeEach(async () => {
  webhook.answer = deny;
  await configure(configuration(webhook.clientConfig));
});

afterAll(async () => {
  client.close();
  await server.stop();
  webhook.close();
});

describe('webhookAdmission', () => {
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
  ] as const)('reports a webhook that %s', async (_what, body, status, message) => {
    webhook.answer = (uid) => ({ status: 200, body: body(uid) });
    const got = await client.post(SECRETS, secret('any', '!'));
    expect(got.status).toBe(status);
    expect(got.body.message).toContain(message);
  });

  it('sends the same request as a real server', async () => {
    webhook.answer = (uid) => ({ status: 200, body: review({ uid, allowed: true }) });
    expect((await client.post(`${SECRETS}?dryRun=All`, secret('any', 'AAAA'))).status).toBe(201);
    const { url, headers, body } = webhook.asked;
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

  it('reports a webhook call that fails', async () => {
    webhook.answer = () => ({ status: 503, body: '' });
    const got = await client.post(SECRETS, secret('any', '!'));
    expect(got.body.message).toContain(
      'an error on the server ("unknown") has prevented the request from succeeding',
    );
  });

  it('calls the webhook for selected namespaces only', async () => {
    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'exempt', labels: { 'kms-vault-operator': 'off' } },
    };
    expect((await client.post('/api/v1/namespaces', namespace)).status).toBe(201);
    const exempt = { ...secret('bad', '!'), metadata: { name: 'bad', namespace: 'exempt' } };
    expect((await client.post(SECRETS.replace('default', 'exempt'), exempt)).status).toBe(201);
  });

  it('verifies the certificate, and applies the failure policy', async () => {
    const wrongName = webhook.configFor('localhost');
    await configure(configuration(wrongName));
    const refused = await client.post(SECRETS, secret('by-url', 'AAAA'));
    expect([refused.status, refused.body.reason]).toEqual([500, 'InternalError']);
    expect(refused.body.message).toMatch(
      /^Internal error occurred: failed calling webhook "kms-vault-validating-webhook\.patoarvizu\.dev": failed to call webhook: Post "https:\/\/localhost:\d+\/\?timeout=10s": tls: failed to verify certificate/,
    );
    await configure(configuration(wrongName, { failurePolicy: 'Ignore' }));
    expect((await client.post(`${SECRETS}?dryRun=All`, secret('by-url', '!'))).status).toBe(201);
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
  ])('rejects a configuration with an invalid %s', async (_what, more, message) => {
    const body = configuration(webhook.clientConfig, more);
    const answer = await client.post(CONFIGURATIONS, { ...body, metadata: { name: 'wrong' } });
    expect([answer.status, answer.body.reason]).toEqual([422, 'Invalid']);
    expect(answer.body.message).toMatch(message);
  });
});
