import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';

import { DecryptCommand, KMSClient } from '@aws-sdk/client-kms';
import { SignatureV4 } from '@smithy/signature-v4';
import { Registry } from 'prom-client';

import { FaultList } from '../src/config/fault-list.js';
import { awsFromEnvironment, networkFromEnvironment } from '../src/config/network-environment.js';
import { AwsKmsApi } from '../src/kms/kms-client.js';
import { KmsConnection } from '../src/kms/kms-connection.js';
import { OperatorMetrics } from '../src/observability/operator-metrics.js';
import { AgentFactory } from '../src/runtime/agents.js';
import { Sha256 } from '../src/runtime/sha256.js';
import { seal } from '../test/servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../test/servers/kms/demo-key.js';
import { RecordingLogger } from '../test/support/loggers.js';
import type { Benchmark } from './benchmark.js';

/** Until the compiler of Node has seen everything often enough. */
const WARM_UP = 2_000;
const REQUESTS = 5_000;
const CONCURRENCY = 16;

const CLIENTS = {
  'bare node:https': bareClient,
  'the AWS SDK': sdkClient,
  'the AWS SDK as the operator uses it': ourClient,
} as const;
type ClientName = keyof typeof CLIENTS;
type Decrypt = (ciphertext: Buffer) => Promise<Uint8Array | string>;

/** What one `Decrypt` costs without an operator: each client in a process of its own, with the same KMS. */
export const floor: Benchmark = {
  isOursOnly: true,
  async run({ fixture, add }) {
    for (const name of Object.keys(CLIENTS)) {
      const child = spawn(process.execPath, [fixture.program, 'client', name], {
        env: {
          PATH: process.env['PATH'],
          AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
          ...fixture.awsEnvironment('ours'),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0) throw new Error(`${name} ended with ${String(code)}`);
      const { cpuMs, perSecond } = JSON.parse(output) as Outcome;
      add(`${name}: CPU`, cpuMs, 'ms per Decrypt');
      add(`${name}: rate`, perSecond, 'Decrypts/s');
    }
  },
};

interface Outcome {
  readonly cpuMs: number;
  readonly perSecond: number;
}

/** The other side of {@link floor}: prints an {@link Outcome}. */
export async function runClient(name: string): Promise<void> {
  const decrypt = CLIENTS[name as ClientName]();
  await decryptAll(decrypt, WARM_UP);
  const before = process.cpuUsage();
  const begun = performance.now();
  await decryptAll(decrypt, REQUESTS);
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(before);
  const outcome: Outcome = { cpuMs: (user + system) / 1_000 / REQUESTS, perSecond: REQUESTS / seconds };
  process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
}

async function decryptAll(decrypt: Decrypt, count: number): Promise<void> {
  const ciphertexts = Array.from({ length: count }, (_, index) =>
    seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(`value ${String(index)}`), {}),
  );
  const worker = async (): Promise<void> => {
    for (let next = ciphertexts.pop(); next !== undefined; next = ciphertexts.pop()) await decrypt(next);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

function sdkClient(): Decrypt {
  const client = new KMSClient({ maxAttempts: 1, cacheMiddleware: true });
  return async (ciphertext) =>
    (await client.send(new DecryptCommand({ CiphertextBlob: ciphertext }))).Plaintext ?? '';
}

function ourClient(): Decrypt {
  const faults = new FaultList();
  const agents = new AgentFactory(networkFromEnvironment(process.env, faults), new RecordingLogger());
  const api = new AwsKmsApi(
    new KmsConnection(
      awsFromEnvironment(process.env, faults),
      agents,
      CONCURRENCY,
      new OperatorMetrics(new Registry()),
    ),
  );
  return async (ciphertext) => await api.decrypt(ciphertext, {});
}

/** A request that is signed and sent, and nothing else. */
function bareClient(): Decrypt {
  const { AWS_ENDPOINT_URL_KMS = '', AWS_REGION = '' } = process.env;
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env;
  const { hostname, port, host } = new URL(AWS_ENDPOINT_URL_KMS);
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const signer = new SignatureV4({
    service: 'kms',
    region: AWS_REGION,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
    sha256: Sha256,
  });
  return async (ciphertext) => {
    const body = JSON.stringify({ CiphertextBlob: ciphertext.toString('base64') });
    const { headers } = await signer.sign({
      method: 'POST',
      protocol: 'https:',
      hostname,
      path: '/',
      query: {},
      headers: {
        host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'TrentService.Decrypt',
      },
      body,
    });
    return await new Promise((resolve, reject) => {
      const sent = request({ hostname, port, agent, method: 'POST', path: '/', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve((JSON.parse(text) as { Plaintext: string }).Plaintext);
          else reject(new Error(`KMS answered ${String(response.statusCode)}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  };
}
