import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { closeIdleBeyond } from '../../../src/runtime/idle-connections.js';
import { eventually } from '../../support/wait.js';

const LIMIT = 4;
let server: Server;
let held: ServerResponse[];
let clients: Client[];

class Client {
  received = '';
  closed = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  send(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  }

  async answered(): Promise<void> {
    this.received = '';
    this.send('/');
    await eventually('the answer', () => this.received.includes('200 OK'));
  }
}

/** From another address of loopback, like another machine. */
async function open(localAddress = '127.0.0.1'): Promise<Client> {
  const { port } = server.address() as AddressInfo;
  const client = new Client(connect({ host: '127.0.0.1', port, localAddress }));
  clients.push(client);
  await once(client.socket, 'connect');
  return client;
}

beforeEach(async () => {
  held = [];
  clients = [];
  server = createServer((request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end('ok');
  });
  // Nothing but the limit closes a connection here.
  server.keepAliveTimeout = 0;
  closeIdleBeyond(server, LIMIT);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  for (const { socket } of clients) socket.destroy();
  server.close();
  server.closeAllConnections();
});

describe('closeIdleBeyond', () => {
  it('closes the connection that has been idle for longest, and lets the new one work', async () => {
    const [first, second] = [await open(), await open()];
    await first.answered();
    await second.answered();
    await first.answered();
    for (let index = 2; index < LIMIT; index += 1) await (await open()).answered();
    await (await open()).answered();
    await eventually('the second is closed', () => second.closed);
    expect(clients.filter(({ closed }) => closed)).toEqual([second]);
  });

  it('takes from the address that holds the most', async () => {
    const apiServer = await open('127.0.0.2');
    await apiServer.answered();
    for (let index = 0; index < 50; index += 1) await (await open()).answered();
    await apiServer.answered();
    expect(apiServer.closed).toBe(false);
    await eventually(
      'no more than the limit',
      () => clients.filter(({ closed }) => !closed).length === LIMIT,
    );
  });

  it('cuts no request that is being answered', async () => {
    const busy = [];
    for (let index = 0; index < LIMIT; index += 1) {
      const client = await open();
      client.send('/held');
      busy.push(client);
    }
    await eventually('all are held', () => held.length === LIMIT);
    await (await open()).answered();
    expect(busy.filter(({ closed }) => closed)).toEqual([]);
    for (const response of held) response.end('late');
    for (const client of busy) await eventually('the late answer', () => client.received.includes('late'));
  });
});
