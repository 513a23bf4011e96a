import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that can forget its connections without a word, as a NAT gateway does: the next byte of the
 * client on each is answered with a reset, or with nothing at all.
 */
export class ForgetfulProxy {
  private readonly pairs = new Map<Socket, Socket>();
  private readonly forgotten = new Set<Socket>();
  /** Connections that were made. */
  connections = 0;
  /** Times that a forgotten connection was tried. */
  triedInVain = 0;

  private constructor(private readonly server: Server) {}

  static async start(targetPort: number): Promise<ForgetfulProxy> {
    const server = createServer();
    const proxy = new ForgetfulProxy(server);
    server.on('connection', (client: Socket) => {
      proxy.connections += 1;
      const target = connect(targetPort, '127.0.0.1');
      proxy.pairs.set(client, target);
      for (const socket of [client, target]) socket.on('error', () => undefined);
      target.on('data', (data) => client.write(data));
      target.on('end', () => client.end());
      client.on('data', (data) => {
        if (!proxy.forgotten.has(client)) {
          target.write(data);
          return;
        }
        proxy.triedInVain += 1;
        if (proxy.answersWithReset) client.resetAndDestroy();
      });
      client.on('close', () => {
        proxy.pairs.delete(client);
        target.destroy();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  private answersWithReset = true;

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get openConnections(): number {
    return this.pairs.size;
  }

  /** Forgets what is open; what is opened from now on works. */
  forget(how: 'reset' | 'silence'): void {
    this.answersWithReset = how === 'reset';
    for (const client of this.pairs.keys()) this.forgotten.add(client);
  }

  async close(): Promise<void> {
    this.server.close();
    for (const [client, target] of this.pairs) {
      client.destroy();
      target.destroy();
    }
    await once(this.server, 'close');
  }
}
