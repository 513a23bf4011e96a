import { once } from 'node:events';
import { type Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { AgentFactory } from '../../../src/runtime/agents.js';
import { ConnectionPool } from '../../../src/runtime/connection-pool.js';
import { silentLogger } from '../../support/loggers.js';

let server: Server;

beforeEach(async () => {
  server = createServer((_request, response) => response.end('ok'));
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'setInterval', 'performance', 'Date'],
  });
});

afterEach(() => {
  jest.useRealTimers();
  server.close();
  server.closeAllConnections();
});

const idle = (agent: Agent): number => Object.values(agent.freeSockets).flat().length;

async function use(agent: Agent): Promise<void> {
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent }, (response) => {
      response.resume().on('end', resolve);
    });
    request.on('error', reject);
  });
  while (idle(agent) === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('a pool without limits of its own', () => {
  const factory = new AgentFactory({ sslCertDirs: [] }, silentLogger);

  it.each<[string, () => Agent]>([
    ['a plain one', () => new ConnectionPool({ context: () => undefined, proxyFor: () => undefined }).http],
    ['the one for AWS', () => factory.forAws(2).httpAgent],
  ])('closes idle connections long before anything in between forgets them: %s', async (_what, make) => {
    const agent = make();
    await use(agent);
    jest.advanceTimersByTime(20_000);
    await use(agent);
    expect(idle(agent)).toBe(1);
    // An AWS NAT gateway forgets after 350 s, an application load balancer after 60 s.
    jest.advanceTimersByTime(59_000);
    while (idle(agent) > 0) await new Promise((resolve) => setImmediate(resolve));
    agent.destroy();
  });
});
