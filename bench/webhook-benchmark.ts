import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';

import { TestAuthority } from '../test/servers/shared/certificates.js';
import { ChildProgram } from '../test/support/child-program.js';
import type { Report } from './report.js';
import { type BenchFixture, KEYS } from './fixture.js';

const CALLERS = 20;

/** New resources at admission, from several callers at once. */
export async function admission(fixture: BenchFixture, report: Report, reviews: number): Promise<void> {
  const authority = await TestAuthority.create();
  const pair = await authority.issue();
  const files = { cert: join(fixture.directory, 'tls.crt'), key: join(fixture.directory, 'tls.key') };
  writeFileSync(files.cert, pair.cert);
  writeFileSync(files.key, pair.key, { mode: 0o600 });
  const webhook = new ChildProgram(
    'dist/webhook.js',
    [
      `-tls-cert-file=${files.cert}`,
      `-tls-key-file=${files.key}`,
      '-listen-addr=127.0.0.1:0',
      '-metrics-addr=127.0.0.1:0',
    ],
    { ...fixture.servers.awsEnvironment },
  );
  const port = Number(new URL(await webhook.address('serving admission reviews')).port);
  const metrics = await webhook.address('serving metrics and health');
  const agent = new Agent({ keepAlive: true, ca: authority.cert });
  const latencies: number[] = [];
  const bodies = Array.from({ length: reviews }, (_, index) => bodyOf(fixture, index));
  fixture.clearCounts();
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let index = next++; index < reviews; index = next++) {
      const begun = performance.now();
      const { status, text } = await post(port, agent, bodies[index] ?? '');
      latencies.push(performance.now() - begun);
      if (status !== 200 || JSON.parse(text).response.allowed !== true)
        throw new Error(`a review was not allowed: ${text}`);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (performance.now() - begun) / 1000;
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const memory = /^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1];
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  report.add('admission', 'rate', reviews / seconds, 'reviews/s');
  report.add('admission', 'median', at(0.5), 'ms');
  report.add('admission', '99th percentile', at(0.99), 'ms');
  report.add('admission', 'KMS requests', fixture.counts().kms / (reviews * KEYS), 'per item');
  report.add('admission', 'peak at KMS', fixture.servers.kms.requests.peakInFlight, 'requests');
  report.add('admission', 'resident memory', Number(memory) / 2 ** 20, 'MiB');
  agent.destroy();
  await webhook.stop();
}

function bodyOf(fixture: BenchFixture, index: number): string {
  const kind = { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'KMSVaultSecret' };
  const object = fixture.secret(index, 'only edition');
  const { name, namespace } = object.metadata;
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
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
