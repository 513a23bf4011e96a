import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { beforeFirstByte } from '../../../src/runtime/before-first-byte.js';

describe('beforeFirstByte', () => {
  let server: Server;
  let received: string;
  let closed: Promise<unknown>;

  beforeEach(async () => {
    received = '';
    server = createServer();
    closed = new Promise((resolve) => {
      server.once('connection', (socket: Socket) => {
        socket.on('error', () => undefined).once('close', resolve);
        socket.on('data', (bytes) => {
          received += bytes.toString();
          socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n');
        });
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    server.close();
  });

  const open = (): ReturnType<typeof request> =>
    request({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      method: 'POST',
      agent: false,
    });

  it('lets a request go when nothing is thrown, once it is connected', async () => {
    const outgoing = open();
    let receivedBefore: string | undefined;
    beforeFirstByte(outgoing, () => {
      receivedBefore = received;
    });
    outgoing.end('body');
    await once(outgoing, 'response');
    expect(receivedBefore).toBe('');
    expect(received).toContain('body');
  });

  it('destroys a request unsent with what is thrown, though its body waits to be sent', async () => {
    const outgoing = open();
    const refused: Error[] = [];
    const failure = new Promise((resolve) => outgoing.once('error', resolve));
    beforeFirstByte(
      outgoing,
      () => {
        throw new Error('not any more');
      },
      (error) => refused.push(error),
    );
    outgoing.end('body');
    expect(await failure).toMatchObject({ message: 'not any more' });
    await closed;
    expect(refused).toHaveLength(1);
    expect(received).toBe('');
  });
});
