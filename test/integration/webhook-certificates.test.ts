import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../support/wait.js';
import { createOf, WebhookFixture } from './webhook-fixture.js';

const BODY = JSON.stringify({
  kind: 'AdmissionReview',
  apiVersion: 'admission.k8s.io/v1',
  request: {
    uid: 'u',
    ...createOf({
      path: 'kv/app',
      kvSettings: { engineVersion: 'v1' },
      secrets: [{ key: 'a', emptySecret: true }],
    }),
  },
});
let fixture: WebhookFixture;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  await fixture.start();
});

afterAll(async () => {
  await fixture.close();
});

async function handshake(): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: fixture.port, ca: fixture.authority.cert });
  await once(socket, 'secureConnect');
  return socket;
}

/** The serial number of the certificate that new connections get. */
async function served(): Promise<string> {
  const socket = await handshake();
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** Asks over a connection that is open. */
async function ask(socket: TLSSocket): Promise<string> {
  const head = ['POST / HTTP/1.1', 'host: x', 'content-type: application/json'];
  socket.write([...head, `content-length: ${String(BODY.length)}`, '', BODY].join('\r\n'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

async function ready(): Promise<number> {
  return (await fetch(`${fixture.metricsUrl}/readyz`)).status;
}

describe('rotation of the serving certificate', () => {
  it('fails no request while the pair is swapped several times under load', async () => {
    const seen = new Set<string>();
    const living = await handshake();
    expect(await ask(living)).toMatch(/^HTTP\/1\.1 200 /);
    let rotating = true;
    let answered = 0;
    const work = async (keepAlive: boolean): Promise<void> => {
      const agent = new Agent({ ca: fixture.authority.cert, keepAlive, maxCachedSessions: 0 });
      while (rotating) {
        const { status } = await fixture.call(BODY, { agent });
        if (status !== 200) throw new Error(`HTTP ${String(status)}`);
        answered += 1;
      }
      agent.destroy();
    };
    const load = Promise.all([work(true), work(true), work(true), work(false), work(false)]);
    for (const how of ['symlink', 'in place', 'symlink'] as const) {
      const before = await served();
      seen.add(before);
      const pair = await fixture.issue();
      if (how === 'symlink') fixture.mount(pair);
      else {
        // The key last: for a moment nothing fits together.
        writeFileSync(join(fixture.directory, 'tls.crt'), pair.cert.slice(0, 200));
        await eventually('the half-written file is noticed', async () =>
          /result="failure"\} 1/.test(await fixture.metrics()),
        );
        writeFileSync(join(fixture.directory, 'tls.crt'), pair.cert);
        writeFileSync(join(fixture.directory, 'tls.key'), pair.key);
      }
      await eventually('the new certificate serves', async () => (await served()) !== before, 10_000);
      expect(await ready()).toBe(200);
    }
    await eventually('hundreds of requests', () => answered > 500);
    rotating = false;
    await load;
    seen.add(await served());
    expect(seen.size).toBe(4);
    expect(await ask(living)).toMatch(/^HTTP\/1\.1 200 /);
    living.destroy();
  }, 30_000);

  it('starts without a certificate, is not ready, and serves once there is one', async () => {
    await fixture.stop();
    fixture.mount({});
    await fixture.start();
    expect(await ready()).toBe(503);
    expect((await fetch(`${fixture.metricsUrl}/healthz`)).status).toBe(200);
    await expect(served()).rejects.toThrow();
    fixture.mount(await fixture.issue());
    await eventually('it is ready', async () => (await ready()) === 200);
    expect((await fixture.call(BODY)).status).toBe(200);
  });
});
