import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type LookupFunction, type Server } from 'node:net';
import { once } from 'node:events';

import { dial } from '../../../src/runtime/dial.js';
import { UnansweringListener } from '../../support/unanswering-listener.js';
import { eventually } from '../../support/wait.js';

const cleanups: (() => Promise<unknown> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const addresses =
  (...found: string[]): LookupFunction =>
  (_host, _options, callback) => {
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };

async function unanswering(): Promise<UnansweringListener> {
  const listener = await UnansweringListener.start();
  cleanups.push(() => listener.close());
  return listener;
}

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('dial', () => {
  onLinux('waits for a slow address while another one that has no route fails', async () => {
    const slow = await unanswering();
    const attempt = dial({
      host: 'vault.test',
      port: slow.port,
      keepAliveMs: 15_000,
      signal: AbortSignal.timeout(20_000),
      // The second one is refused at once, as an address of a family without a route.
      lookup: addresses('127.0.0.1', '127.0.0.2'),
    });
    attempt.catch(() => undefined);
    await eventually('the attempt', () => slow.isAttempted);
    // The server answers after the second address was tried and failed.
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(slow.isAttempted).toBe(true);
    slow.release();
    const socket = await attempt;
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  });

  onLinux('reaches the second address when the first one answers nothing', async () => {
    const hole = await unanswering();
    const server: Server = createServer();
    server.listen(hole.port, '127.0.0.2');
    await once(server, 'listening');
    cleanups.push(() => {
      server.close();
    });
    const socket = await dial({
      host: 'vault.test',
      port: hole.port,
      keepAliveMs: 15_000,
      signal: AbortSignal.timeout(20_000),
      lookup: addresses('127.0.0.1', '127.0.0.2'),
    });
    expect(socket.remoteAddress).toBe('127.0.0.2');
    // The attempt that lost is taken back.
    await eventually('no attempt', () => !hole.isAttempted);
    socket.destroy();
  });

  onLinux('ends with the signal when nothing answers', async () => {
    const hole = await unanswering();
    const end = new AbortController();
    const attempt = dial({
      host: 'vault.test',
      port: hole.port,
      keepAliveMs: 15_000,
      signal: end.signal,
      lookup: addresses('127.0.0.1'),
    });
    const failure = expect(attempt).rejects.toThrow('enough');
    await eventually('the attempt', () => hole.isAttempted);
    end.abort(new Error('enough'));
    await failure;
    await eventually('no attempt', () => !hole.isAttempted);
  });

  it('reports a refusal rather than a missing route', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await expect(
      dial({
        host: 'vault.test',
        port,
        keepAliveMs: 15_000,
        signal: AbortSignal.timeout(20_000),
        lookup: addresses('127.0.0.1', '2001:db8::1'),
      }),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
