import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';

import { TestAuthority } from '../test/servers/shared/certificates.js';
import { type Benchmark, CannotDo, type Run } from './benchmark.js';
import { freePort } from './fixture.js';
import { MeasuredProgram } from './measured-program.js';
import { percentile } from './report.js';

/** How many items a review has, how many callers there are, and how many decryptions. */
const LOADS: readonly Load[] = [
  { name: '1 item', items: 1, callers: 16, decryptions: 6_000 },
  { name: '10 items', items: 10, callers: 16, decryptions: 6_000 },
  { name: '1 item, 1 caller', items: 1, callers: 1, decryptions: 1_000 },
  { name: '10 items, 1 caller', items: 10, callers: 1, decryptions: 3_000 },
];
const WARM_UP = 300;
/** The one that a server sends first, and the one that old webhooks know. */
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

/** New resources at admission, from several callers at once and from one. */
export const webhook: Benchmark = {
  async run({ fixture, subject, add }) {
    if (subject.webhook === undefined) throw new CannotDo('no --webhook-command');
    const authority = await TestAuthority.create();
    const pair = await authority.issue();
    const [cert, key] = [join(fixture.directory, 'tls.crt'), join(fixture.directory, 'tls.key')];
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key, { mode: 0o600 });
    const port = await freePort();
    const program = fixture.track(
      new MeasuredProgram(subject.webhook, {
        ...fixture.awsEnvironment(subject.name),
        TLS_CERT_FILE: cert,
        TLS_KEY_FILE: key,
        LISTEN_ADDR: `127.0.0.1:${String(port)}`,
        METRICS_ADDR: `127.0.0.1:${String(await freePort())}`,
      }),
    );
    const agent = new Agent({ keepAlive: true, ca: authority.cert });
    const caller: Caller = { fixture, post: async (body) => await post(port, agent, body), version: '' };
    await program.until('reviews are answered', async () => {
      for (const version of REVIEW_VERSIONS)
        if (await allowed({ ...caller, version }, 1)) caller.version = version;
      return caller.version !== '';
    });
    const alone: number[] = [];
    for (const { name, items, callers, decryptions } of LOADS) {
      await callAll(caller, WARM_UP / items, items, callers);
      const reviews = Math.ceil(decryptions / items);
      await fixture.kms.tell('clear', null);
      const [before, begun] = [program.cpuMs, performance.now()];
      const times = await callAll(caller, reviews, items, callers);
      const seconds = (performance.now() - begun) / 1_000;
      const used = program.cpuMs - before;
      const kms = await fixture.kms.tell('counts', null);
      add(`${name}: rate`, reviews / seconds, 'reviews/s');
      const median = percentile(times, 0.5);
      if (callers === 1) alone.push(median);
      add(`${name}: median`, median, 'ms');
      add(`${name}: 99th percentile`, percentile(times, 0.99), 'ms');
      add(`${name}: CPU`, used / reviews, 'ms per review');
      add(`${name}: KMS requests`, kms.requests / (reviews * items), 'per item');
    }
    const [one = 0, ten = 0] = alone;
    add('10 items against 1, 1 caller', ten / one, 'times the median');
    add('resident', program.memory.resident, 'MiB');
    add('resident, peak', program.memory.peak, 'MiB');
    agent.destroy();
  },
};

interface Load {
  readonly name: string;
  readonly items: number;
  readonly callers: number;
  readonly decryptions: number;
}

interface Caller {
  readonly fixture: Run['fixture'];
  readonly post: (body: string) => Promise<{ readonly status: number; readonly text: string }>;
  /** Of the reviews. */
  version: string;
}

/** @returns the milliseconds of each review. */
async function callAll(caller: Caller, reviews: number, items: number, callers: number): Promise<number[]> {
  const bodies = Array.from({ length: reviews }, (_, index) => bodyOf(caller, index, items));
  const times: number[] = [];
  const worker = async (): Promise<void> => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      const begun = performance.now();
      const { status, text } = await caller.post(body);
      times.push(performance.now() - begun);
      if (status !== 200 || JSON.parse(text).response.allowed !== true)
        throw new Error(`a review was not allowed: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: callers }, worker));
  return times;
}

async function allowed(caller: Caller, items: number): Promise<boolean> {
  try {
    const { status, text } = await caller.post(bodyOf(caller, 0, items));
    return status === 200 && JSON.parse(text).response.allowed === true;
  } catch {
    return false;
  }
}

function bodyOf({ fixture, version }: Caller, index: number, items: number): string {
  const kind = { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'KMSVaultSecret' };
  const object = fixture.secret(index, 'first', { keys: items });
  const { name, namespace } = object.metadata;
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: {
      uid: randomUUID(),
      kind,
      resource: { ...kind, kind: undefined, resource: 'kmsvaultsecrets' },
      name,
      namespace,
      operation: 'CREATE',
      object,
      oldObject: null,
    },
  });
}

async function post(port: number, agent: Agent, body: string): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        agent,
        method: 'POST',
        path: '/?timeout=10s',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
