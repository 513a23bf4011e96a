import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { type CertificatePair, TestAuthority } from '../servers/shared/certificates.js';
import type { Json } from '../support/http-json.js';
import { InspectedProgram } from '../support/inspected-program.js';
import { eventually } from '../support/wait.js';

/** How every value begins; of 12 bytes, so that its base64 does not depend on what follows. */
const MARK = 'canary-held-';
const MARK_BASE64 = Buffer.from(MARK).toString('base64');

let folder: string;
let kms: LoopbackKms;
let pair: CertificatePair;
let webhook: InspectedProgram;
let agent: Agent;
let port = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'webhook-memory-'));
  kms = await startKmsServer();
  const authority = await TestAuthority.create();
  pair = await authority.issue();
  writeFileSync(join(folder, 'tls.crt'), pair.cert);
  writeFileSync(join(folder, 'tls.key'), pair.key);
  agent = new Agent({ keepAlive: true, maxSockets: 4, ca: authority.cert });
  webhook = await startWebhook();
  await eventually('the port', () => {
    const line = webhook.output.split('\n').find((text) => text.includes('serving admission reviews'));
    port = Number(/:(\d+)"/.exec(line?.slice(line.indexOf('127.0.0.1')) ?? '')?.[1] ?? 0);
    return port > 0;
  });
}, 60_000);

afterAll(async () => {
  agent.destroy();
  await webhook.close();
  await kms.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

async function startWebhook(): Promise<InspectedProgram> {
  return await InspectedProgram.start(
    'webhook',
    [
      `-tls-cert-file=${join(folder, 'tls.crt')}`,
      `-tls-key-file=${join(folder, 'tls.key')}`,
      '-listen-addr=127.0.0.1:0',
      '-metrics-addr=127.0.0.1:0',
    ],
    {
      AWS_REGION: kms.region,
      AWS_ENDPOINT_URL_KMS: kms.url,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
    },
  );
}

/** Ten values; the last one is not to be decrypted where `isGood` is false. */
function review(index: number, isGood: boolean): Json {
  const secrets = Array.from({ length: 10 }, (_, item) => {
    const value = Buffer.from(`${MARK}${randomBytes(12).toString('hex')}${item === 0 ? '\n' : ''}`);
    const context: Record<string, string> = isGood || item < 9 ? {} : { wrong: 'context' };
    const encryptedSecret = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, value, context).toString('base64');
    return { key: `key-${String(item)}`, encryptedSecret };
  });
  const kind = { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'KMSVaultSecret' };
  const name = `app-${String(index)}`;
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: `uid-${String(index)}`,
      kind,
      resource: { group: kind.group, version: kind.version, resource: 'kmsvaultsecrets' },
      operation: 'CREATE',
      namespace: 'default',
      name,
      object: {
        apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
        kind: kind.kind,
        metadata: { name, namespace: 'default' },
        spec: { path: `kv/${name}`, kvSettings: { engineVersion: 'v1' }, secrets },
      },
    },
  };
}

function send(body: Json): Promise<Json> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/validate',
      method: 'POST',
      agent,
      servername: 'localhost',
    };
    const call = request({ ...options, headers: { 'content-type': 'application/json' } }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve(JSON.parse(text));
      });
    });
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}

it('the memory of the webhook holds no value and no credential in a request once reviews are answered', async () => {
  const reviews = Array.from({ length: 20 }, (_, index) => review(index, index % 4 !== 0));
  const answers = await Promise.all(reviews.map(send));
  expect(answers.map(({ response }) => response.allowed)).toEqual(reviews.map((_, index) => index % 4 !== 0));
  await eventually('no request in flight', () =>
    kms.requests.all.every(({ status }) => status !== undefined),
  );

  const control = `control-${randomBytes(12).toString('hex')}`;
  await webhook.ask({ ask: 'hold', text: control });
  expect(await webhook.inBuffers(control)).toBe(1);
  expect(await webhook.inBuffers(MARK, MARK_BASE64)).toBe(0);

  const file = await webhook.ask({ ask: 'snapshot', file: join(folder, 'webhook.heapsnapshot') });
  const snapshot = readFileSync(file, 'latin1');
  const occurrences = (text: string): number => snapshot.split(text).length - 1;
  expect(occurrences(control)).toBeGreaterThan(0);
  expect(occurrences(MARK)).toBe(0);
  expect(occurrences(MARK_BASE64)).toBe(0);
  // The credential provider needs it; nothing else has it in it.
  expect(occurrences(DEMO_ACCESS_KEY.secretAccessKey)).toBeLessThanOrEqual(1);
}, 90_000);
