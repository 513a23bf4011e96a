import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { TestAuthority } from '../servers/shared/certificates.js';
import { manifestsIn } from '../support/kube-api.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, unknown>;
}

let folder: string;
let authority: TestAuthority;
let fixture: OperatorFixture;
let port: number;
let reader: string;
let stranger: string;

const file = (name: string): string => join(folder, name);

async function useCertificate(): Promise<string> {
  const { cert, key } = await authority.issue({ dnsNames: ['kms-vault-operator-metrics'] });
  writeFileSync(file('tls.crt'), cert);
  writeFileSync(file('tls.key'), key);
  return cert;
}

async function start(...flags: readonly string[]): Promise<void> {
  await fixture.start([
    ...flags,
    '--metrics-addr=127.0.0.1:0',
    '--health-addr=127.0.0.1:0',
    '--metrics-secure',
    `--metrics-tls-cert-file=${file('tls.crt')}`,
    `--metrics-tls-key-file=${file('tls.key')}`,
  ]);
  const bound = fixture.logger.entries.findLast(({ message }) => message === 'serving metrics');
  port = Number(String(bound?.facts?.['addr']).split(':').at(-1));
}

async function ask(
  authorization: string | undefined,
  {
    path = '/metrics',
    method = 'GET',
    host = 'kms-vault-operator-metrics',
    agent = false,
  }: {
    readonly path?: string;
    readonly method?: string;
    /** What the header says. */
    readonly host?: string;
    readonly agent?: Agent | false;
  } = {},
): Promise<Answer> {
  const sent = request({
    port,
    host: '127.0.0.1',
    servername: 'kms-vault-operator-metrics',
    ca: authority.cert,
    path,
    method,
    agent,
    headers: { host, ...(authorization === undefined ? {} : { authorization }) },
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [
    NodeJS.ReadableStream & { statusCode: number; headers: Record<string, unknown> },
  ];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body, headers: response.headers };
}

const reviews = (): readonly string[] =>
  fixture.servers.kubernetes.requests.all
    .map(({ url }) => url)
    .filter((url) => url.includes('tokenreviews') || url.includes('subjectaccessreviews'));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-secure-'));
  authority = await TestAuthority.create();
  fixture = await OperatorFixture.prepare({ leaderElection: true });
  const { kube } = fixture;
  await kube.applyAll(manifestsIn('kustomize/components/metrics-secure/access.yaml'));
  for (const name of ['prometheus', 'stranger'])
    await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'default' } });
  await kube.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'prometheus' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'kms-vault-operator-metrics-reader',
    },
    subjects: [{ kind: 'ServiceAccount', name: 'prometheus', namespace: 'default' }],
  });
  reader = await kube.serviceAccountToken('default', 'prometheus');
  stranger = await kube.serviceAccountToken('default', 'stranger');
  await useCertificate();
}, 60_000);

afterEach(async () => {
  await fixture.stop();
  fixture.servers.kubernetes.faults.clear();
});

afterAll(async () => {
  await (fixture as OperatorFixture | undefined)?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

describe('--metrics-secure', () => {
  it('serves those whom the API server allows, and keeps its verdicts for a while', async () => {
    await start();
    fixture.clearRecords();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(`Bearer ${reader}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(answers[0]?.body).toContain('kms_vault_operator_build_info{');
    expect(reviews()).toHaveLength(2);
    expect(await ask(`bearer ${reader}`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(reviews()).toHaveLength(2);
  });

  it('answers 401 without a good token, and 403 without the permission', async () => {
    await start();
    fixture.clearRecords();
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', reader])
      expect(await ask(authorization)).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': 'Bearer' },
      });
    expect(reviews()).toEqual([]);
    const bad = await Promise.all(Array.from({ length: 5 }, () => ask('Bearer c4n4ry.token')));
    expect(bad.every(({ status }) => status === 401)).toBe(true);
    expect(reviews()).toHaveLength(1);
    expect(await ask(`Bearer ${stranger}`)).toMatchObject({ status: 403 });
    expect(await ask(`Bearer ${stranger}`)).toMatchObject({ status: 403, body: 'forbidden\n' });
    expect(reviews()).toHaveLength(3);
    const logged = JSON.stringify(fixture.logger.entries);
    for (const secret of ['c4n4ry', reader, stranger]) expect(logged).not.toContain(secret);
  });

  it('answers other paths and methods as the plain endpoint does, without a review', async () => {
    await start();
    fixture.clearRecords();
    expect(await ask(undefined, { path: '/other' })).toMatchObject({ status: 404 });
    expect(await ask(undefined, { path: '/metrics/' })).toMatchObject({ status: 404 });
    expect(await ask(undefined, { method: 'POST' })).toMatchObject({ status: 405 });
    expect(reviews()).toEqual([]);
    const health = fixture.logger.entries.findLast(({ message }) => message === 'serving health');
    expect((await fetch(`http://${String(health?.facts?.['addr'])}/healthz`)).status).toBe(200);
  });

  it('looks at the token of each request, also where a connection is kept, and not at the host', async () => {
    await start();
    const sockets = new Set<unknown>();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.on('free', (socket: unknown) => sockets.add(socket));
    const statuses: number[] = [];
    for (const token of [reader, stranger, 'other', reader])
      statuses.push((await ask(`Bearer ${token}`, { agent })).status);
    statuses.push((await ask(undefined, { agent })).status);
    statuses.push((await ask(`Bearer ${reader}`, { agent, host: 'another.example.com' })).status);
    agent.destroy();
    expect(statuses).toEqual([200, 403, 401, 200, 401, 200]);
    expect(sockets.size).toBe(1);
  });

  it('refuses plain HTTP on its port, and serves on', async () => {
    await start();
    await expect(fetch(`http://127.0.0.1:${String(port)}/metrics`)).rejects.toThrow();
    expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 200 });
  });

  it('is served by a standby, too', async () => {
    const spec = { holderIdentity: 'another', leaseDurationSeconds: 3600, leaseTransitions: 1 };
    await fixture.kube.apply({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: '39a50047.patoarvizu.dev', namespace: 'vault' },
      spec: { ...spec, renewTime: new Date().toISOString().replace('Z', '000Z') },
    });
    await start('--enable-leader-election', '--leader-election-namespace=vault');
    const { status, body } = await ask(`Bearer ${reader}`);
    expect(status).toBe(200);
    expect(body).toMatch(/^kms_vault_operator_leader 0$/m);
    expect(await ask(`Bearer ${stranger}`)).toMatchObject({ status: 403 });
    await fixture.stop();
    await fixture.kube.delete('Lease', 'vault', '39a50047.patoarvizu.dev');
  });

  it('answers 503 while the API server is down, but not to those whom it knows, and recovers', async () => {
    await start();
    expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 200 });
    fixture.servers.kubernetes.faults.inject({
      matches: ({ url }) => url.includes('reviews'),
      action: { kind: 'reset' },
    });
    expect(await ask(`Bearer ${stranger}`)).toMatchObject({ status: 503 });
    expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 200 });
    fixture.servers.kubernetes.faults.clear();
    expect(await ask(`Bearer ${stranger}`)).toMatchObject({ status: 403 });
  });

  it('answers 503 while the API server cannot say, logs it once, and recovers', async () => {
    await start();
    const before = fixture.logger.entries.length;
    fixture.servers.kubernetes.faults.inject({
      matches: ({ url }) => url.includes('tokenreviews'),
      action: { kind: 'answer', status: 403, body: '{}' },
    });
    for (let turn = 0; turn < 3; turn += 1)
      expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 503 });
    const said = fixture.logger.entries
      .slice(before)
      .filter(({ message }) => message.includes('who may read the metrics'));
    expect(said).toHaveLength(1);
    expect(JSON.stringify(said)).toContain('needs to create tokenreviews and subjectaccessreviews');
    fixture.servers.kubernetes.faults.clear();
    expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 200 });
  });

  it('serves a renewed certificate, and the old one while the new one is half-written', async () => {
    await start();
    const served = async (): Promise<string> => {
      const socket: TLSSocket = connect({
        port,
        host: '127.0.0.1',
        servername: 'kms-vault-operator-metrics',
        ca: authority.cert,
      });
      await once(socket, 'secureConnect');
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const before = await served();
    writeFileSync(file('tls.crt'), '-----BEGIN CERTIFICATE-----\n');
    await eventually('the problem to be noticed', () =>
      fixture.logger.entries.some(({ message }) => message.includes('still serving the previous one')),
    );
    expect(await served()).toBe(before);
    await useCertificate();
    await eventually('the new certificate', async () => (await served()) !== before);
    expect(await ask(`Bearer ${reader}`)).toMatchObject({ status: 200 });
  });
});
