import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
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
  readonly headers?: Readonly<Record<string, string>>;
}

/** Gives a certificate and its key, and every later pair. */
export interface CertificateSource {
  start(use: (pair: { readonly cert: string; readonly key: string }) => void): void;
  stop(): void;
}

/** TLS, and who may read. */
export interface SecureOptions {
  readonly certificates: CertificateSource;
  /** The answer to somebody who may not `get` the path; undefined for everybody else. */
  readonly refusal: (authorization: string | undefined, path: string) => Promise<Answer | undefined>;
}

const TLS = { minVersion: 'TLSv1.2', handshakeTimeout: 5_000 } as const;

/** Handlers by path. */
export type Routes = Readonly<Record<string, () => Promise<Answer> | Answer>>;

/** A small read-only HTTP server for metrics and health: GET and HEAD, short timeouts, few connections. */
export class HttpEndpoint {
  private readonly server: Server | TlsServer;

  constructor(
    private readonly options: {
      readonly address: ListenAddress;
      /** The log message for the bound address. */
      readonly boundMessage: string;
      readonly routes: Routes;
      readonly logger: Logger;
      /** Plain HTTP for everybody when absent. */
      readonly secure?: SecureOptions;
    },
  ) {
    const respond = (request: IncomingMessage, response: ServerResponse): void => {
      request.resume();
      void this.answer(request).then((answer) => {
        response.writeHead(answer.status, {
          'content-type': answer.contentType,
          'content-length': Buffer.byteLength(answer.body),
          ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
          ...answer.headers,
        });
        response.end(request.method === 'HEAD' ? undefined : answer.body);
      });
    };
    const isSecure = options.secure !== undefined;
    this.server = isSecure ? createTlsServer({ ...LIMITS, ...TLS }, respond) : createServer(LIMITS, respond);
    this.server.maxConnections = MAX_CONNECTIONS;
    closeIdleBeyond(this.server, MAX_IDLE_KEPT, isSecure ? 'secureConnection' : 'connection');
  }

  /** @throws ListenError when the address cannot be bound. */
  async start(): Promise<void> {
    const { host, port } = this.options.address;
    const { server } = this;
    // Open connections keep their certificate. Without a usable one every handshake fails.
    this.options.secure?.certificates.start(({ cert, key }) => {
      if ('setSecureContext' in server) server.setSecureContext({ minVersion: TLS.minVersion, cert, key });
    });
    try {
      this.server.listen({ port, ...(host === '' ? {} : { host }) });
      await once(this.server, 'listening');
    } catch (error) {
      this.options.secure?.certificates.stop();
      throw new ListenError(this.options.address, (error as NodeJS.ErrnoException).code ?? 'unknown');
    }
    const bound = this.server.address() as AddressInfo;
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    this.options.logger.info(this.options.boundMessage, { addr: `${shown}:${String(bound.port)}` });
  }

  async stop(): Promise<void> {
    this.options.secure?.certificates.stop();
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer({ method = '', url = '', headers }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD are supported');
    const path = url.split('?', 1)[0] ?? '';
    const route = Object.hasOwn(this.options.routes, path) ? this.options.routes[path] : undefined;
    if (route === undefined) return text(404, 'not found');
    try {
      return (await this.options.secure?.refusal(headers.authorization, path)) ?? (await route());
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
