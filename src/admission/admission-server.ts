import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import { inject, injectable } from 'tsyringe';

import type { ListenAddress } from '../config/config.js';
import { ListenError } from '../observability/http-endpoint.js';
import type { Logger } from '../observability/logger.js';
import { closeIdleBeyond } from '../runtime/idle-connections.js';
import { TOKENS } from '../tokens.js';
import type { AdmissionHandler } from './admission-handler.js';
import type { CertificateStore } from './certificate-store.js';

const HEADERS_TIMEOUT_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Limit for receiving a whole request; the answer has its own limit. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Longer than the API server keeps idle connections (90 s in Go), so that it never uses one we just closed. */
const KEEP_ALIVE_MS = 120_000;
/** Above this limit a new connection closes an idle one. */
const MAX_IDLE_KEPT = 500;
/** Includes connections in their handshake; above this limit connections are refused. */
const MAX_CONNECTIONS = 1_000;

const TLS = { minVersion: 'TLSv1.2' } as const;

/** The HTTPS server that the API server calls. */
@injectable()
export class AdmissionServer {
  private readonly server: Server;

  constructor(
    @inject(TOKENS.listenAddress) private readonly address: ListenAddress,
    @inject(TOKENS.admissionHandler) private readonly handler: AdmissionHandler,
    @inject(TOKENS.certificates) private readonly certificates: CertificateStore,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {
    const limits = {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    };
    this.server = createServer({ ...TLS, ...limits }, (request, response) => {
      void handler.serve(request, response);
    });
    this.server.maxConnections = MAX_CONNECTIONS;
    closeIdleBeyond(this.server, MAX_IDLE_KEPT, 'secureConnection');
  }

  /**
   * Starts listening, even without a usable certificate: every handshake then fails until there is one.
   *
   * @throws ListenError when the address cannot be bound.
   */
  async start(): Promise<void> {
    const { address, certificates, logger } = this;
    // Open connections keep their certificate.
    certificates.start(({ cert, key }) => {
      this.server.setSecureContext({ ...TLS, cert, key });
    });
    const { host, port } = address;
    try {
      this.server.listen({ port, ...(host === '' ? {} : { host }) });
      await once(this.server, 'listening');
    } catch (error) {
      certificates.stop();
      throw new ListenError(address, (error as NodeJS.ErrnoException).code ?? 'unknown');
    }
    const bound = this.server.address() as AddressInfo;
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    logger.info('serving admission reviews', { addr: `${shown}:${String(bound.port)}` });
  }

  /** Stops accepting connections and waits until every request in flight is answered. */
  async drain(): Promise<void> {
    this.certificates.stop();
    this.handler.drain();
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeIdleConnections();
    await closed;
  }

  /** Closes the remaining connections, which ends {@link drain}. */
  cut(): void {
    this.server.closeAllConnections();
  }
}
