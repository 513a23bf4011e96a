import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  createServer as createHttpsServer,
  type Server as HttpsServer,
  type ServerOptions,
} from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import { Faults } from './faults.js';
import { RequestLog, type SeenRequest } from './request-log.js';
import { listenOnSteadyPort } from './steady-port.js';

/** Serves one request whose body has been read; must end the response. */
export type Handler = (
  seen: SeenRequest,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void> | void;

export interface LoopbackOptions {
  /** Key and certificate; plain HTTP when absent. */
  readonly tls?: ServerOptions;
  /** 0, the default, takes a free one, which is still free after {@link LoopbackServer.close}. */
  readonly port?: number;
  /** Larger bodies are answered with 413. */
  readonly maxBodyBytes?: number;
}

/** An HTTP server on 127.0.0.1 that records requests and injects faults. */
export class LoopbackServer {
  readonly requests = new RequestLog();
  readonly faults = new Faults();
  /** Connections accepted since the start. */
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(
    private readonly handler: Handler,
    private readonly options: LoopbackOptions,
  ) {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      void this.serve(request, response);
    };
    this.server = options.tls ? createHttpsServer(options.tls, listener) : createHttpServer(listener);
    const accept = (socket: Socket & { connectionNumber?: number }): void => {
      this.connections += 1;
      socket.connectionNumber = this.connections;
      socket.on('error', () => undefined);
    };
    this.server.on(options.tls ? 'secureConnection' : 'connection', accept);
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    this.server.keepAliveTimeout = 60_000;
  }

  static async start(handler: Handler, options: LoopbackOptions = {}): Promise<LoopbackServer> {
    const server = new LoopbackServer(handler, options);
    const { port = 0 } = options;
    if (port === 0) await listenOnSteadyPort((free) => server.listen(free));
    else await server.listen(port);
    return server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.options.tls ? 'https' : 'http'}://127.0.0.1:${String(this.port)}`;
  }

  /** Closes every connection, as a restarting server does. */
  cutConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Stops listening and closes every connection; {@link listen} with the same port starts it again. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.cutConnections();
    await closed;
  }

  async listen(port: number): Promise<void> {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** Sets the key and certificate for new connections; needs TLS. */
  replaceCertificate(tls: ServerOptions): void {
    (this.server as HttpsServer).setSecureContext(tls);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, this.options.maxBodyBytes ?? 32 * 1024 * 1024);
    const seen: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: body ?? '',
      at: performance.now(),
      connection: (request.socket as Socket & { connectionNumber?: number }).connectionNumber ?? 0,
      operation: '',
      status: undefined,
    };
    this.requests.begin(seen);
    response.on('finish', () => this.requests.end(seen, response.statusCode));
    response.on('close', () => this.requests.end(seen, response.headersSent ? response.statusCode : 0));
    if (body === undefined) {
      response.writeHead(413).end();
      return;
    }
    const fault = this.faults.take(seen);
    switch (fault?.kind) {
      case 'answer':
        response
          .writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
          .end(fault.body ?? '');
        return;
      case 'reset':
        request.socket.destroy();
        return;
      case 'hang':
        return;
      case 'serve-then-reset':
        response.end = ((): ServerResponse => {
          request.socket.destroy();
          return response;
        }) as ServerResponse['end'];
        break;
      case 'delay':
        await new Promise((resolve) => setTimeout(resolve, fault.ms));
        break;
      case undefined:
        break;
    }
    try {
      await this.handler(seen, request, response);
    } catch (error) {
      // An exception here is a bug of the loopback server, not of the client.
      console.error('loopback server failed', error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  }
}

async function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
    }
  } catch {
    return '';
  }
  return size > limit ? undefined : Buffer.concat(chunks).toString('utf8');
}
