import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';

import { inject, injectable } from 'tsyringe';

import type { AwsConfig, NetworkConfig } from '../config/config.js';
import type { Logger } from '../observability/logger.js';
import { TOKENS } from '../tokens.js';
import { ConnectionPool } from './connection-pool.js';
import type { ConnectionLimits } from './connector.js';
import { proxyFor } from './proxy.js';
import { TrustStore } from './trust-store.js';

/** The TLS settings; PEM texts. */
export interface TlsMaterial {
  /** Node's own roots (with `NODE_EXTRA_CA_CERTS`) when absent. */
  readonly ca?: readonly (string | Buffer)[] | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

export interface PoolRequest {
  readonly maxSockets: number;
  readonly context: () => SecureContext;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean;
  /** Instead of the environment's proxies. */
  readonly proxy?: string | undefined;
}

/**
 * Trusts each given certificate on its own, also an intermediate authority without its root, like Go's x509; OpenSSL
 * does this only with a flag. Dates and names are checked as usual.
 */
export function secureContext({ ca, cert, key }: TlsMaterial): SecureContext {
  const options = {
    // The option is there since Node 20.18, and missing in the types of Node 20. Without given roots it must be absent:
    // Node 20 would forget NODE_EXTRA_CA_CERTS.
    ...(ca === undefined ? {} : { ca: [...ca], allowPartialTrustChain: true }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return createSecureContext(options);
}

/** Creates keep-alive agents that honour proxies and additional roots, in the same way for every peer. */
@injectable()
export class AgentFactory {
  private added: { readonly trust: TrustStore | undefined } | undefined;

  constructor(
    @inject(TOKENS.network) private readonly network: NetworkConfig,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.connectionLimits, { isOptional: true }) private readonly limits: ConnectionLimits = {},
  ) {}

  /** The additional roots of `SSL_CERT_FILE` and `SSL_CERT_DIR`, and given ones; undefined when there are none. */
  trust(extraFiles: readonly string[] = []): TrustStore | undefined {
    const { sslCertFile, sslCertDirs } = this.network;
    const files = [...(sslCertFile === undefined ? [] : [sslCertFile]), ...extraFiles];
    if (files.length === 0 && sslCertDirs.length === 0) return undefined;
    return new TrustStore({ files, directories: sslCertDirs, builtIn: true }, this.logger);
  }

  /** The proxy for a URL according to the environment. */
  proxyFor(url: URL): string | undefined {
    return proxyFor(url, this.network);
  }

  /** What {@link trust} adds without further files, as PEM texts, read again when the files change. */
  extraRoots(): readonly string[] {
    this.added ??= { trust: this.trust() };
    return this.added.trust?.roots() ?? [];
  }

  pool({ proxy, ...request }: PoolRequest): ConnectionPool {
    const { limits } = this;
    return new ConnectionPool({
      ...request,
      proxyFor: proxy === undefined ? (url) => this.proxyFor(url) : () => proxy,
      limits,
    });
  }

  /** The agents of an AWS SDK client, whatever its endpoints: those of KMS, of STS, and of every partition. */
  forAws(
    maxSockets: number,
    aws: Pick<AwsConfig, 'caBundle'> = {},
  ): { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent } {
    const trust = this.trust(aws.caBundle === undefined ? [] : [aws.caBundle]);
    const { http, https } = this.pool({ maxSockets, context: contextOf(() => trust?.roots()) });
    return { httpAgent: http, httpsAgent: https };
  }
}

/**
 * The TLS context for the current roots, created only when they change, which takes 50 ms; each request or connection asks
 * for it, so that no connection outlives the roots that verified it.
 *
 * @param roots undefined: the built-in ones alone. The same array as long as nothing changed.
 * @param builtIn trusted in addition to `roots`.
 */
export function contextOf(
  roots: () => readonly string[] | undefined,
  builtIn: readonly string[] = [],
): () => SecureContext {
  let made: { readonly roots: readonly string[] | undefined; readonly context: SecureContext } | undefined;
  return () => {
    const current = roots();
    if (made === undefined || made.roots !== current) {
      const ca = current === undefined ? undefined : [...builtIn, ...current];
      made = { roots: current, context: secureContext({ ca }) };
    }
    return made.context;
  };
}
