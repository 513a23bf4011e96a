import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy that can stop passing bytes without closing anything, as a firewall that drops packets. */
export class FreezableProxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();

  private constructor(private readonly server: Server) {}

  static async start(targetPort: number): Promise<FreezableProxy> {
    const server = createServer();
    const proxy = new FreezableProxy(server);
    server.on('connection', (client: Socket) => {
      const target = connect(targetPort, '127.0.0.1');
      const pair = [client, target] as const;
      proxy.pairs.add(pair);
      for (const socket of pair) socket.on('error', () => undefined);
      client.on('data', (data) => target.write(data));
      target.on('data', (data) => client.write(data));
      client.on('close', () => target.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  /** From now on these connections carry nothing in either direction; new ones work. */
  freezeOpenConnections(): void {
    for (const [client, target] of this.pairs) {
      client.removeAllListeners('data').pause();
      target.removeAllListeners('data').pause();
    }
  }

  async close(): Promise<void> {
    this.server.close();
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    await once(this.server, 'close');
  }
}
