import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** An HTTP proxy that knows CONNECT alone; every host of a tunnel is one on this machine. */
export class ConnectProxy {
  /** `host:port` of every tunnel that was asked for. */
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Answered instead of opening a tunnel. */
  refuseWith: number | undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ConnectProxy> {
    const server = createServer((_request, response) => response.writeHead(405).end());
    const proxy = new ConnectProxy(server);
    server.on('connect', (request, socket) => {
      const target = request.url ?? '';
      proxy.asked.push(target);
      proxy.authorizations.push(request.headers['proxy-authorization']);
      socket.on('error', () => undefined);
      if (proxy.refuseWith !== undefined) {
        socket.end(
          `HTTP/1.1 ${String(proxy.refuseWith)} No\r\nContent-Type: text/html\r\n\r\n<h1>canary</h1>`,
        );
        return;
      }
      const upstream = connect(Number(new URL(`http://${target}`).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}
