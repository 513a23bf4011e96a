import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const SOCKS5 = 5;
const NO_AUTHENTICATION = 0;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const DOMAIN = 3;
/** Reply codes of RFC 1928, section 6. */
const SUCCEEDED = 0;
const REFUSED = 5;
const COMMAND_NOT_SUPPORTED = 7;
const ADDRESS_NOT_SUPPORTED = 8;

/** A SOCKS 5 proxy without authentication (RFC 1928). Every name that it resolves is this machine. */
export class SocksProxy {
  /** `host:port` of each destination, as it was asked for. */
  readonly asked: string[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<SocksProxy> {
    const server = createServer();
    const proxy = new SocksProxy(server);
    server.on('connection', (client: Socket) => {
      proxy.keep(client);
      proxy.serve(client).catch(() => client.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** `host:port` */
  get host(): string {
    return `127.0.0.1:${String(this.port)}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  private async serve(client: Socket): Promise<void> {
    const [version = 0, methods = 0] = await take(client, 2);
    if (version !== SOCKS5) throw new Error('not SOCKS 5');
    const offered = await take(client, methods);
    if (!offered.includes(NO_AUTHENTICATION)) {
      client.end(Buffer.from([SOCKS5, NO_ACCEPTABLE_METHOD]));
      return;
    }
    client.write(Buffer.from([SOCKS5, NO_AUTHENTICATION]));
    const [, command, , kind] = await take(client, 4);
    if (command !== CONNECT) {
      client.end(reply(COMMAND_NOT_SUPPORTED));
      return;
    }
    if (kind !== IPV4 && kind !== DOMAIN) {
      client.end(reply(ADDRESS_NOT_SUPPORTED));
      return;
    }
    const host =
      kind === IPV4
        ? [...(await take(client, 4))].join('.')
        : (await take(client, (await take(client, 1))[0] ?? 0)).toString('latin1');
    const port = (await take(client, 2)).readUInt16BE();
    this.asked.push(`${host}:${String(port)}`);
    const target = this.keep(connect(port, kind === IPV4 ? host : '127.0.0.1'));
    try {
      await once(target, 'connect');
    } catch {
      client.end(reply(REFUSED));
      return;
    }
    client.write(reply(SUCCEEDED));
    client.pipe(target);
    target.pipe(client);
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const)
      one.on('close', () => other.destroy());
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    return socket.on('close', () => this.sockets.delete(socket));
  }
}

/** So many bytes, however they arrive. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  if (count === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes = socket.read(count) as Buffer | null;
    if (bytes?.length === count) return bytes;
    if (bytes !== null || socket.destroyed || socket.readableEnded) throw new Error('the client has gone');
    await once(socket, 'readable');
  }
}

function reply(code: number): Buffer {
  return Buffer.from([SOCKS5, code, 0, IPV4, 0, 0, 0, 0, 0, 0]);
}
