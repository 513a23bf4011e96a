import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * An HTTP proxy as many are set up: it passes on requests for `http` URLs and opens no tunnel to ports other than
 * 443, as Squid's default `http_access deny CONNECT !SSL_ports` does. Every host is one on this machine.
 */
export class ForwardProxy {
  /** The request lines that came, and what came as `Proxy-Authorization`. */
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Answered instead of passing a request on. */
  refuseWith: number | undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ForwardProxy> {
    const server = createServer();
    const proxy = new ForwardProxy(server);
    server.on('connect', (request, socket) => {
      proxy.asked.push(`CONNECT ${request.url ?? ''}`);
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    });
    server.on('request', (request, response) => {
      proxy.asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
      const { 'proxy-authorization': authorization, ...headers } = request.headers;
      proxy.authorizations.push(authorization);
      const isWhole = URL.canParse(request.url ?? '');
      if (proxy.refuseWith !== undefined || !isWhole) {
        request.resume();
        response.writeHead(proxy.refuseWith ?? 400, { 'content-type': 'text/html' }).end('<h1>canary</h1>');
        return;
      }
      const { port, pathname, search } = new URL(request.url ?? '');
      const target = { host: '127.0.0.1', port, path: `${pathname}${search}` };
      const onward = httpRequest({ ...target, method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.writeHead(502).end());
      request.pipe(onward);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}
