import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Listens for two connections and takes none until it is told to; then serves nothing on them. */
const LISTENER = `
const { createServer } = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
const server = createServer(() => undefined);
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(workerData), 0, 0));
});
`;

/**
 * An address of 127.0.0.1 that answers no connection attempt, as a far or black-holed one: its queue is
 * full and nobody empties it. Once it is released, the next repetition of an attempt (after about a
 * second, RFC 6298) comes through.
 */
export class UnansweringListener {
  private constructor(
    readonly port: number,
    private readonly worker: Worker,
    private readonly lock: Int32Array,
    private readonly fillers: readonly Socket[],
  ) {}

  static async start(): Promise<UnansweringListener> {
    const memory = new SharedArrayBuffer(4);
    const worker = new Worker(LISTENER, { eval: true, workerData: memory });
    const [port] = (await once(worker, 'message')) as [number];
    const fillers = [0, 1].map(() => connect({ host: '127.0.0.1', port }));
    await Promise.all(fillers.map((socket) => once(socket, 'connect')));
    return new UnansweringListener(port, worker, new Int32Array(memory), fillers);
  }

  release(): void {
    Atomics.store(this.lock, 0, 1);
    Atomics.notify(this.lock, 0);
  }

  async close(): Promise<void> {
    this.release();
    for (const socket of this.fillers) socket.destroy();
    await this.worker.terminate();
  }
}
