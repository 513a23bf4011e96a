import { beforeAll, describe, expect, it } from '@jest/globals';
import { connect as connectPlain } from 'node:net';

import { EMPTY, createOf, fixture, useWebhook } from './webhook-fixture.js';
import { openSocket, readAll, review } from './webhook-sockets.js';

const MIB = 1024 * 1024;
/** What clients get that never finish what they send; begun early, because the server waits for some time. */
let slowHeaders: Promise<string>;
let slowBody: Promise<string>;

useWebhook();

beforeAll(() => {
  slowHeaders = leaveUnfinished('POST / HTTP/1.1\r\nhost: ');
  slowBody = leaveUnfinished(
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"kind":',
  );
});

async function alive(): Promise<void> {
  expect((await fixture.create(EMPTY)).allowed).toBe(true);
}

async function leaveUnfinished(beginning: string): Promise<string> {
  const socket = await openSocket(fixture);
  socket.write(beginning);
  return await readAll(socket);
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

  it('accepts only POST and JSON', async () => {
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

  it('accepts bodies of up to 8 MiB, declared or not', async () => {
    const padded = (size: number): string => review(asked).padEnd(size, ' ');
    expect((await fixture.call(padded(8 * MIB))).status).toBe(200);
    expect((await fixture.call(padded(8 * MIB + 1))).status).toBe(413);
    const socket = await openSocket(fixture);
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
      const socket = await openSocket(fixture, { minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    await expect(
      openSocket(fixture, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow();
    const plain = connectPlain(fixture.port, '127.0.0.1');
    plain.write('POST / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await readAll(plain)).not.toContain('HTTP/1.1 200');
    await alive();
  });

  it('answers what is not HTTP with 400, and survives a client that disconnects in the middle', async () => {
    const garbage = await openSocket(fixture);
    garbage.write('what is this?\r\n\r\n');
    expect(await readAll(garbage)).toMatch(/^HTTP\/1\.1 400 /);
    const leaving = await openSocket(fixture);
    leaving.write(
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"kind"',
    );
    leaving.destroy();
    await alive();
  });
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
