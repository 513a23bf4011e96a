import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { Agent } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { eventually } from '../support/wait.js';
import { createOf, deleteOf, WebhookFixture } from './webhook-fixture.js';

const EMPTY = {
  path: 'kv/app',
  kvSettings: { engineVersion: 'v1' },
  secrets: [{ key: 'a', emptySecret: true }],
};
const MIB = 1024 * 1024;
let fixture: WebhookFixture;
/** What clients get that never finish what they send; begun early, because the server waits for some time. */
let slowHeaders: Promise<string>;
let slowBody: Promise<string>;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  await fixture.start();
  slowHeaders = leaveUnfinished('POST / HTTP/1.1\r\nhost: ');
  slowBody = leaveUnfinished(
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"kind":',
  );
});

afterEach(() => {
  fixture.kms.faults.clear();
  fixture.kms.requests.clear();
});

afterAll(async () => {
  await fixture.close();
});

async function alive(): Promise<void> {
  expect((await fixture.create(EMPTY)).allowed).toBe(true);
}

async function openSocket(options: object = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: fixture.port, ca: fixture.authority.cert, ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything that comes until the other side closes. */
async function readAll(socket: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return text;
}

async function leaveUnfinished(beginning: string): Promise<string> {
  const socket = await openSocket();
  socket.write(beginning);
  return await readAll(socket);
}

function review(request: unknown, head: object = {}): string {
  return JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request, ...head });
}

describe('AdmissionServer', () => {
  const asked = { uid: 'u', ...createOf(EMPTY) };

  it.each([
    ['malformed JSON', '{"kind":', 400],
    ['no body', '', 400],
    ['text that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400],
    ['another envelope', review(asked, { kind: 'Pod' }), 400],
    ['an unknown version', review(asked, { apiVersion: 'admission.k8s.io/v2' }), 400],
    ['no version', review(asked, { apiVersion: undefined }), 400],
    ['no request', review(undefined), 400],
    ['no uid', review({ ...asked, uid: '' }), 400],
    ['another kind', review({ ...asked, kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }), 400],
    ['our kind in another group', review({ ...asked, kind: { group: 'x', kind: 'KMSVaultSecret' } }), 400],
    ['no object to create', review({ ...asked, object: null }), 400],
    ['an unknown operation', review({ ...asked, operation: 'PATCH' }), 400],
  ])('answers %s with 400', async (_what, body, status) => {
    const answer = await fixture.call(body);
    expect(answer.status).toBe(status);
    expect(answer.text.length).toBeGreaterThan(10);
    await alive();
  });

  it('knows one method and one content type', async () => {
    const put = await fixture.call(review(asked), { method: 'PUT' });
    expect([put.status, put.headers.allow]).toEqual([405, 'POST']);
    for (const type of ['text/plain', 'application/yaml', '']) {
      expect((await fixture.call(review(asked), { headers: { 'content-type': type } })).status).toBe(415);
    }
    const charset = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await fixture.call(review(asked), { headers: charset })).status).toBe(200);
    expect((await fixture.call(review(asked), { headers: { 'content-encoding': 'gzip' } })).status).toBe(415);
    expect((await fixture.call(review(asked), { path: '/any/path/at/all' })).status).toBe(200);
  });

  it('takes 8 MiB and no more, declared or not', async () => {
    const padded = (size: number): string => review(asked).padEnd(size, ' ');
    expect((await fixture.call(padded(8 * MIB))).status).toBe(200);
    expect((await fixture.call(padded(8 * MIB + 1))).status).toBe(413);
    const socket = await openSocket();
    const text = readAll(socket);
    socket.write(
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    const chunk = Buffer.alloc(MIB, ' ');
    for (let sent = 0; sent < 9; sent += 1) {
      socket.write(`${MIB.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n');
    }
    socket.end('0\r\n\r\n');
    expect(await text).toMatch(/^HTTP\/1\.1 413 /);
    await alive();
  });

  it('speaks TLS 1.2 and 1.3 only, and closes plain HTTP', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await openSocket({ minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    await expect(
      openSocket({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow();
    const plain = connectPlain(fixture.port, '127.0.0.1');
    plain.write('POST / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await readAll(plain)).not.toContain('HTTP/1.1 200');
    await alive();
  });

  it('answers what is no HTTP with 400 and lives when a client goes away in the middle', async () => {
    const garbage = await openSocket();
    garbage.write('what is this?\r\n\r\n');
    expect(await readAll(garbage)).toMatch(/^HTTP\/1\.1 400 /);
    const leaving = await openSocket();
    leaving.write(
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"kind"',
    );
    leaving.destroy();
    await alive();
  });

  it('gives up KMS requests of a caller that went away', async () => {
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const agent = new Agent({ ca: fixture.authority.cert });
    const call = fixture.create(
      { ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'KMSVaultSecret',
      { agent },
    );
    await eventually('KMS is asked', () => fixture.kms.requests.all.length === 1);
    agent.destroy();
    await expect(call).rejects.toThrow();
    await eventually('the request to KMS is cut', () => fixture.kms.requests.all[0]?.status === 0);
  });

  it('sheds reviews beyond what may wait for KMS, and still allows what needs no KMS', async () => {
    const agent = new Agent({ keepAlive: true, ca: fixture.authority.cert, maxSockets: 400 });
    const lift = fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const body = (index: number): string =>
      review({
        uid: String(index),
        ...createOf({ ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt(String(index)) }] }),
      });
    const flood = Array.from({ length: 300 }, (_, index) =>
      fixture.call(body(index), { agent, path: '/?timeout=8s' }),
    );
    await eventually('KMS is asked', () => fixture.kms.requests.all.length >= 20);
    expect((await fixture.review(deleteOf(EMPTY))).allowed).toBe(true);
    const answers = await Promise.all(flood);
    const shed = answers.filter(({ status }) => status === 503);
    // On a slow machine some arrive only after the first ones have been answered.
    expect(shed.length).toBeGreaterThan(0);
    expect(shed.every(({ headers }) => headers['retry-after'] === '1')).toBe(true);
    const judged = answers.filter(({ status }) => status === 200);
    expect(judged.length).toBeGreaterThan(0);
    expect(judged.every(({ json }) => json.response.allowed === false)).toBe(true);
    expect(judged.length + shed.length).toBe(300);
    lift();
    agent.destroy();
    await alive();
    expect(await fixture.metrics()).toMatch(/kms_vault_webhook_rejected_requests_total\{status="503"\} \d+/);
  });

  it('holds no more than so many bytes of unfinished bodies', async () => {
    const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${String(8 * MIB)}\r\n\r\n`;
    const sockets: TLSSocket[] = [];
    let shed = '';
    for (let index = 0; index < 5; index += 1) {
      const socket = await openSocket();
      sockets.push(socket);
      socket.on('data', (chunk: Buffer) => (shed += chunk.toString()));
      socket.write(head);
      await new Promise((resolve) => socket.write(Buffer.alloc(8 * MIB - 1, ' '), resolve));
    }
    await eventually('the last one is shed', () => shed.startsWith('HTTP/1.1 503 '));
    expect(shed.match(/HTTP\/1\.1/g)).toHaveLength(1);
    for (const socket of sockets) socket.destroy();
    await eventually('the bytes are given back', async () => {
      const body = review(asked).padEnd(8 * MIB, ' ');
      const answers = await Promise.all(Array.from({ length: 4 }, () => fixture.call(body)));
      return answers.every(({ status }) => status === 200);
    });
  });

  it('never gives anything but a proper answer or a 4xx, whatever the body is', async () => {
    const hostile = fc.oneof(
      fc.constantFrom<unknown>(null, true, -0, 1e308, '', '__proto__', [], {}),
      fc.bigInt().map((number) => Number(number)),
      fc.string({ unit: 'binary' }),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const spec = fc.record(
      {
        path: hostile,
        kvSettings: fc.oneof(hostile, fc.record({ engineVersion: hostile, casIndex: hostile })),
        secretContext: hostile,
        includeSecrets: hostile,
        secrets: fc.oneof(
          hostile,
          fc.array(
            fc.oneof(
              hostile,
              fc.record(
                { key: hostile, encryptedSecret: hostile, secretContext: hostile, emptySecret: hostile },
                { requiredKeys: [] },
              ),
            ),
          ),
        ),
      },
      { requiredKeys: [] },
    );
    const object = fc.oneof(hostile, fc.record({ metadata: hostile, spec: fc.oneof(hostile, spec) }));
    const request = fc.record(
      {
        uid: fc.oneof(fc.constant('u'), hostile),
        operation: fc.oneof(fc.constantFrom('CREATE', 'UPDATE', 'DELETE'), hostile),
        kind: fc.oneof(
          fc.constantFrom(createOf({}).kind, createOf({}, 'PartialKMSVaultSecret').kind),
          hostile,
        ),
        namespace: hostile,
        name: hostile,
        subResource: hostile,
        object,
        oldObject: object,
      },
      { requiredKeys: ['uid', 'operation', 'kind', 'object'] },
    );
    const polluted = '{"__proto__":{"allowed":true},"constructor":{"prototype":{"allowed":true}}}';
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const body = fc.oneof(
      { weight: 6, arbitrary: request.map((value) => review(value)) },
      { weight: 2, arbitrary: spec.map((value) => review({ uid: 'u', ...createOf(value) })) },
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        deep,
        polluted,
        review('@').replace('"@"', deep),
        review({ uid: 'u', ...createOf('@') }).replace('"@"', polluted),
        review({ uid: 'u', ...createOf('@'), operation: 'UPDATE', oldObject: { spec: '@' } }).replaceAll(
          '"@"',
          deep,
        ),
        review({ uid: 'u', ...createOf('@') }).replace('"@"', '9'.repeat(100_000)),
      ),
    );
    const before = process.memoryUsage.rss();
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const { status, json } = await fixture.call(text);
        if (status !== 200) expect([400, 413]).toContain(status);
        else
          expect(json).toMatchObject({
            kind: 'AdmissionReview',
            response: { uid: expect.any(String), allowed: expect.any(Boolean) },
          });
      }),
      { numRuns: 800 },
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * MIB);
    expect(Object.prototype).not.toHaveProperty('allowed');
    expect(fixture.logger.entries.filter(({ level }) => level === 'error')).toEqual([]);
    await alive();
  }, 30_000);
});

describe('AdmissionServer, after a while', () => {
  it('has closed the connection of a client that is slow with its headers', async () => {
    expect(await slowHeaders).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await alive();
  });

  it('has closed the connection of a client that is slow with its body', async () => {
    expect(await slowBody).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await alive();
  }, 20_000);
});

describe('WebhookProgram', () => {
  it('answers what is in flight before it ends, and refuses new connections meanwhile', async () => {
    const path = '/?timeout=30s';
    const idle = await openSocket();
    fixture.kms.latencyMs = 300;
    const call = fixture.create(
      { ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'KMSVaultSecret',
      { path },
    );
    await eventually('the review is in flight', () => fixture.kms.requests.all.length === 1);
    const agent = new Agent({ ca: fixture.authority.cert });
    const stopping = fixture.stopping();
    expect((await fetch(`${fixture.metricsUrl}/readyz`)).status).toBe(503);
    await expect(fixture.create(EMPTY, 'KMSVaultSecret', { agent })).rejects.toThrow(/ECONNREFUSED/);
    expect((await call).allowed).toBe(true);
    idle.destroy();
    expect(await stopping).toBe(0);
    fixture.kms.latencyMs = 0;
    expect(fixture.logger.entries.at(-1)?.message).toBe('stopped');
  });

  it('gives up what KMS does not answer within the grace period, with a proper answer', async () => {
    await fixture.start('-shutdown-grace-seconds=2');
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const call = fixture.create(
      { ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'KMSVaultSecret',
      { path: '/?timeout=30s' },
    );
    await eventually('the review is in flight', () => fixture.kms.requests.all.length === 1);
    const stopping = fixture.stopping();
    expect((await call).status.code).toBe(503);
    expect(await stopping).toBe(0);
  });
});
