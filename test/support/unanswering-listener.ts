import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/**
 * Listens with a backlog of two and accepts no connection until the test asks for it; then forwards to the target, if
 * there is one.
 */
const LISTENER = `
const { connect, createServer } = require('node:net');
const { parentPort, workerData } = require('node:worker_threads');
const { lock, host, port, targetPort } = workerData;
const server = createServer((client) => {
  client.on('error', () => undefined);
  if (targetPort === undefined) return;
  const target = connect(targetPort, '127.0.0.1');
  target.on('error', () => client.destroy());
  client.on('close', () => target.destroy());
  client.pipe(target);
  target.pipe(client);
});
server.listen({ host, port, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(lock), 0, 0));
});
`;

interface Listening {
  /** An address of this machine; 127.0.0.1 when absent. */
  readonly host?: string;
  /** Any free one when absent. */
  readonly port?: number;
  /** A port of 127.0.0.1 that it passes on to once it is released. */
  readonly targetPort?: number;
}

/**
 * An address of this machine that answers no connection attempt, as a far or black-holed one: its queue is
 * full and nobody empties it. Once it is released, the next repetition of an attempt (after about a
 * second, RFC 6298) comes through.
 */
export class UnansweringListener {
  private constructor(
    readonly host: string,
    readonly port: number,
    private readonly worker: Worker,
    private readonly lock: Int32Array,
    private readonly fillers: readonly Socket[],
  ) {}

  static async start({
    host = '127.0.0.1',
    port: wanted = 0,
    targetPort,
  }: Listening = {}): Promise<UnansweringListener> {
    const lock = new SharedArrayBuffer(4);
    const worker = new Worker(LISTENER, { eval: true, workerData: { lock, host, port: wanted, targetPort } });
    const [port] = (await once(worker, 'message')) as [number];
    const fillers = [0, 1].map(() => connect({ host, port }));
    await Promise.all(fillers.map((socket) => once(socket, 'connect')));
    return new UnansweringListener(host, port, worker, new Int32Array(lock), fillers);
  }

  /** Whether an attempt to connect to it is under way, by the kernel's table (state 02: SYN_SENT). Linux only. */
  get isAttempted(): boolean {
    const address = Buffer.from(this.host.split('.').map(Number)).reverse().toString('hex');
    const remote = `${address}:${this.port.toString(16).padStart(4, '0')} 02`.toUpperCase();
    return readFileSync('/proc/net/tcp', 'utf8').includes(remote);
  }

  release(): void {
    Atomics.store(this.lock, 0, 1);
    Atomics.notify(this.lock, 0);
    for (const socket of this.fillers) socket.destroy();
  }

  async close(): Promise<void> {
    this.release();
    await this.worker.terminate();
  }
}
