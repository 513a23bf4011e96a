import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { ListenAddress } from '../config/config.js';
import { closeIdleBeyond } from '../runtime/idle-connections.js';
import { StartupError } from '../runtime/startup-error.js';
import type { Logger } from './logger.js';

const LIMITS = {
  requestTimeout: 10_000,
  headersTimeout: 5_000,
  keepAliveTimeout: 5_000,
  // By default Node checks only every 30 s, and slow clients could block probes for that long.
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 100;
/** Above this limit a new connection closes an idle one. */
const MAX_IDLE_KEPT = 50;

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Handlers by path. */
export type Routes = Readonly<Record<string, () => Promise<Answer> | Answer>>;

/** A small read-only HTTP server for metrics and health: GET and HEAD, short timeouts, few connections. */
export class HttpEndpoint {
  private readonly server: Server;

  constructor(
    private readonly options: {
      readonly address: ListenAddress;
      /** The log message for the bound address. */
      readonly boundMessage: string;
      readonly routes: Routes;
      readonly logger: Logger;
    },
  ) {
    this.server = createServer(LIMITS, (request, response) => {
      request.resume();
      void this.answer(request.method ?? '', request.url ?? '').then((answer) => {
        response.writeHead(answer.status, {
          'content-type': answer.contentType,
          'content-length': Buffer.byteLength(answer.body),
          ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
        });
        response.end(request.method === 'HEAD' ? undefined : answer.body);
      });
    });
    this.server.maxConnections = MAX_CONNECTIONS;
    closeIdleBeyond(this.server, MAX_IDLE_KEPT);
  }

  /** @throws ListenError when the address cannot be bound. */
  async start(): Promise<void> {
    const { host, port } = this.options.address;
    try {
      this.server.listen({ port, ...(host === '' ? {} : { host }) });
      await once(this.server, 'listening');
    } catch (error) {
      throw new ListenError(this.options.address, (error as NodeJS.ErrnoException).code ?? 'unknown');
    }
    const bound = this.server.address() as AddressInfo;
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    this.options.logger.info(this.options.boundMessage, { addr: `${shown}:${String(bound.port)}` });
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(method: string, url: string): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD are supported');
    const path = url.split('?', 1)[0] ?? '';
    const route = Object.hasOwn(this.options.routes, path) ? this.options.routes[path] : undefined;
    if (route === undefined) return text(404, 'not found');
    try {
      return await route();
    } catch {
      return text(500, 'internal error');
    }
  }
}

export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}

/** An address that cannot be bound; the message names it and says what to do. */
export class ListenError extends StartupError {
  constructor({ host, port }: ListenAddress, code: string) {
    super(
      `cannot listen on ${host}:${String(port)} (${code}): free the address, or change the flag that sets it`,
    );
    this.name = 'ListenError';
  }
}
