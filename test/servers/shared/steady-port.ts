import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ranges from which Linux and macOS choose a port themselves. */
const FIRST = 20_000;
const COUNT = 12_000;

/**
 * Listens on a port that is still free when a server is restarted on it: one that the system chose may belong to an
 * outgoing connection or to another server by then.
 */
export async function listenOnSteadyPort(listen: (port: number) => Promise<void>): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    try {
      await listen(port);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** Such a port, for a program that listens itself. */
export async function steadyPort(): Promise<number> {
  const server = createServer();
  const port = await listenOnSteadyPort(async (candidate) => {
    server.listen(candidate, '127.0.0.1');
    await once(server, 'listening');
  });
  server.close();
  await once(server, 'close');
  return port;
}
