import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/wait.js';

let directory: string;
let server: LoopbackServer;
let connection: ApiConnection;
let client: KubeClient;
let clock: FakeClock;
/** Ends when `/slow` may be answered. */
let held: Promise<void>;
/** Tokens that the API server takes. */
let valid: (token: string) => boolean;

/** A plugin that counts its runs and gives `token-<run>`, for an hour or without an end; at first so many odd ones. */
async function start(expires: boolean, odd = 0, given = 'token'): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), 'exec-'));
  const counter = join(directory, 'runs');
  writeFileSync(counter, '');
  const plugin = `
    const { appendFileSync, readFileSync } = require('node:fs');
    appendFileSync(${JSON.stringify(counter)}, 'x');
    const run = readFileSync(${JSON.stringify(counter)}, 'utf8').length;
    const token = run <= ${String(odd)} ? 'to\\u2019ken' : 'token-' + run;
    const end = ${expires ? '{ expirationTimestamp: new Date(Date.now() + 3600000).toISOString() }' : '{}'};
    const pair = { clientCertificateData: 'no PEM', clientKeyData: 'no PEM' };
    const status = { ...(run <= ${String(odd)} && '${given}' === 'pair' ? pair : { token }), ...end };
    console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }));`;
  const authority = await TestAuthority.create();
  server = await LoopbackServer.start(
    async ({ headers, url }, _request, response) => {
      if (url === '/slow') await held;
      const token = String(headers.authorization).replace('Bearer ', '');
      response.writeHead(valid(token) ? 200 : 401, { 'content-type': 'application/json' });
      response.end(valid(token) ? '{}' : '{"kind":"Status","reason":"Unauthorized","code":401}');
    },
    { tls: await authority.issue() },
  );
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: [
      {
        name: 'c',
        server: server.url,
        caData: Buffer.from(authority.cert).toString('base64'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name: 'u', exec: { command: process.execPath, args: ['-e', plugin] } }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  connection = new ApiConnection(kubeConfig, undefined, clock);
  client = new KubeClient(connection, openGate, clock);
}

const runs = (): number => readFileSync(join(directory, 'runs'), 'utf8').length;
const tokens = (): unknown[] => server.requests.all.map(({ headers }) => headers.authorization);

beforeEach(() => {
  clock = new FakeClock();
  held = Promise.resolve();
  valid = () => true;
});

afterEach(async () => {
  connection.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

describe('a credential plugin', () => {
  it('is run again when its credential is refused before its end, and the request is sent once more', async () => {
    await start(true);
    await client.request('GET', '/1');
    await clock.advance(60_000);
    await client.request('GET', '/2');
    expect(runs()).toBe(1);
    valid = (token) => token === 'token-2';
    await client.request('PATCH', '/3', { body: { a: 1 } });
    expect(runs()).toBe(2);
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1', 'Bearer token-2']);
    expect(server.requests.all.at(-1)).toMatchObject({ method: 'PATCH', url: '/3', body: '{"a":1}' });
  });

  it.each(['token', 'pair'])('is run again when it gave a %s that cannot be sent', async (given) => {
    await start(true, 1, given);
    await client.request('GET', '/1');
    expect(runs()).toBe(2);
    expect(tokens()).toEqual(['Bearer token-2']);
  });

  it('that gives nothing but odd tokens is run again after pauses, and named', async () => {
    await start(true, 100);
    for (let second = 0; second < 30; second += 1) {
      await expect(client.request('GET', '/x')).rejects.toThrow('the token from the credential plugin');
      await clock.advance(1_000);
    }
    expect(runs()).toBeGreaterThan(2);
    expect(runs()).toBeLessThanOrEqual(4);
  });

  it('is run once for all requests that are refused at the same time', async () => {
    await start(true);
    await client.request('GET', '/x');
    valid = (token) => token === 'token-2';
    await Promise.all(Array.from({ length: 10 }, () => client.request('GET', '/x')));
    expect(runs()).toBe(2);
  });

  it('is run again for a request that was on its way for long, although its credential was asked for since', async () => {
    await start(true);
    await client.request('GET', '/1');
    let release = (): void => undefined;
    held = new Promise((resolve) => {
      release = resolve;
    });
    const slow = client.request('GET', '/slow');
    await eventually('the request is under way', () => server.requests.all.length === 2);
    await clock.advance(11_000);
    await client.request('GET', '/2');
    valid = (token) => token === 'token-2';
    release();
    await slow;
    expect(runs()).toBe(2);
  });

  it('is run at once when what it gave was accepted and is refused soon after', async () => {
    await start(true);
    await client.request('GET', '/1');
    valid = (token) => token === 'token-2';
    await client.request('GET', '/2');
    await clock.advance(3_000);
    valid = (token) => token === 'token-3';
    await client.request('GET', '/3');
    expect(runs()).toBe(3);
  });

  it('is not run for each request when one of two servers refuses what the other one takes', async () => {
    await start(true);
    let turn = 0;
    valid = () => (turn += 1) % 2 === 0;
    for (let second = 0; second < 60; second += 1) {
      await client.request('GET', '/x').catch(() => undefined);
      await clock.advance(1_000);
    }
    expect(runs()).toBeLessThanOrEqual(12);
  });

  it('is run less and less often while every credential that it returns is refused', async () => {
    await start(true);
    valid = () => false;
    for (let second = 0; second < 300; second += 1) {
      await expect(client.request('GET', '/x')).rejects.toMatchObject({ status: 401 });
      await clock.advance(1_000);
    }
    // At once, and after 10, 20, 40 and 80 and 160 more seconds at the earliest.
    expect(runs()).toBeLessThanOrEqual(7);
    expect(runs()).toBeGreaterThanOrEqual(4);
    valid = () => true;
    await client.request('GET', '/x');
  }, 60_000);

  it.each([true, false])(
    'is not run for each request, whether or not it names an end: %s',
    async (expires) => {
      await start(expires);
      await Promise.all(Array.from({ length: 10 }, () => client.request('GET', '/x')));
      await client.request('GET', '/x');
      expect(runs()).toBe(1);
    },
  );
});
