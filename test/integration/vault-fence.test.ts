import { afterEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { VaultConfig } from '../../src/config/config.js';
import { LeaseGate } from '../../src/kube/lease-gate.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { type Clock, systemClock } from '../../src/runtime/clock.js';
import { type WriteGate, WriteGateClosedError } from '../../src/runtime/write-gate.js';
import { VaultClient } from '../../src/vault/vault-client.js';
import { VaultTransport } from '../../src/vault/vault-transport.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { closeAll, closing } from '../support/closing.js';
import { silentLogger } from '../support/loggers.js';

const OPEN_MS = 10_000;
afterEach(closeAll);

/** A client behind a gate, and a clock that jumps to the deadline on demand, as for a frozen process. */
async function fixtureOf(secure: boolean) {
  const authority = await TestAuthority.create('fence');
  const server = await LoopbackServer.start(
    (_seen, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{}}');
    },
    secure ? { tls: await authority.issue() } : {},
  );
  closing(server);
  let skippedMs = 0;
  // Timers do not fire: as in a process that was just woken.
  const clock: Clock = {
    now: () => systemClock.now(),
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
    setTimer: () => () => undefined,
  };
  const gate = new LeaseGate({ clock });
  gate.openUntil(clock.monotonicMs() + OPEN_MS);
  let freezing = false;
  /** Freezes right after the client has asked it. */
  const asked: WriteGate = {
    assertOpen: () => {
      gate.assertOpen();
      if (freezing) skippedMs = OPEN_MS;
    },
    get signal() {
      return gate.signal;
    },
  };
  const config: VaultConfig = {
    address: server.url,
    timeoutMs: 5_000,
    maxRetries: 0,
    skipVerify: false,
    headers: {},
    disableRedirects: false,
    ...(secure ? { caCertBytes: authority.cert } : {}),
  };
  const agents = new AgentFactory({ sslCertDirs: [] }, silentLogger);
  const transport = new VaultTransport(config, agents, silentLogger);
  closing(transport);
  const metrics = new OperatorMetrics(new Registry());
  const client = new VaultClient(config, transport, asked, clock, metrics);
  return {
    server,
    client,
    freezeOnceAsked: () => (freezing = true),
    write: () =>
      client.request({
        method: 'POST',
        path: 'kv/a',
        operation: 'write',
        body: '{"a":"b"}',
        token: 't',
        mutates: true,
      }),
  };
}

describe.each([
  ['http', false],
  ['https', true],
])('VaultClient over %s', (_, secure) => {
  it('writes while the gate is open, on new and on kept connections', async () => {
    const { server, write } = await fixtureOf(secure);
    expect((await write()).status).toBe(200);
    expect((await write()).status).toBe(200);
    expect(server.connections).toBe(1);
    expect(server.requests.all.map(({ body }) => body)).toEqual(['{"a":"b"}', '{"a":"b"}']);
  });

  it('sends nothing of a write that waited for its connection beyond the deadline', async () => {
    const { server, write, freezeOnceAsked, client } = await fixtureOf(secure);
    freezeOnceAsked();
    await expect(write()).rejects.toBeInstanceOf(WriteGateClosedError);
    // Reads go on.
    const { status } = await client.request({ method: 'GET', path: 'kv/a', operation: 'read', token: 't' });
    expect(status).toBe(200);
    expect(server.requests.all.map(({ method }) => method)).toEqual(['GET']);
  });

  it('sends nothing of a write that waited for a kept connection beyond the deadline', async () => {
    const { server, write, freezeOnceAsked } = await fixtureOf(secure);
    await write();
    freezeOnceAsked();
    await expect(write()).rejects.toBeInstanceOf(WriteGateClosedError);
    expect(server.requests.all).toHaveLength(1);
  });
});
