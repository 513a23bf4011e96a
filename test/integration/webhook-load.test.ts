import { describe, expect, it } from '@jest/globals';
import { Agent } from 'node:https';
import type { TLSSocket } from 'node:tls';

import { eventually } from '../support/wait.js';
import { EMPTY, createOf, deleteOf, fixture, useWebhook } from './webhook-fixture.js';
import { openSocket, review } from './webhook-sockets.js';

const MIB = 1024 * 1024;
useWebhook();

async function alive(): Promise<void> {
  expect((await fixture.create(EMPTY)).allowed).toBe(true);
}

describe('AdmissionServer under load', () => {
  const asked = { uid: 'u', ...createOf(EMPTY) };

  it('aborts KMS requests of a caller that disconnected', async () => {
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

  it('rejects reviews beyond what may wait for KMS, but none that needs no KMS', async () => {
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

  it('limits the bytes of unfinished bodies', async () => {
    const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${String(8 * MIB)}\r\n\r\n`;
    const sockets: TLSSocket[] = [];
    let shed = '';
    for (let index = 0; index < 5; index += 1) {
      const socket = await openSocket(fixture);
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
});
