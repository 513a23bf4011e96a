import type { ClientRequest } from 'node:http';

import Vault from 'hashi-vault-js';
import { inject, injectable } from 'tsyringe';

import type { VaultConfig } from '../config/config.js';
import type { Logger } from '../observability/logger.js';
import { type AgentFactory, secureContext } from '../runtime/agents.js';
import { MAX_TIMER_MS } from '../runtime/clock.js';
import type { ConnectionPool } from '../runtime/connection-pool.js';
import type { CertificatePair } from '../runtime/last-good-files.js';
import { ProxyError } from '../runtime/proxy-tunnel.js';
import { TrustStore } from '../runtime/trust-store.js';
import { VAULT_REQUEST_LIMITS_MS } from '../runtime/wait-limits.js';
import { WipedBytes } from '../runtime/wiped-bytes.js';
import { TOKENS } from '../tokens.js';
import { ClientCertificate } from './client-certificate.js';
import { fencedRequests } from './fenced-request.js';

/** Connections when the number of concurrent requests is not given. */
const MAX_SOCKETS = 16;
/** Vault answers a read within milliseconds. */
const SILENT_MS = 5_000;
/** Vault accepts 32 MiB; an answer has metadata in addition. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export interface RawRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
  /** The credential may be valid for one use: it is sent on a new connection, and never twice. */
  readonly once?: boolean;
  /**
   * Called when the connection is established, right before the first byte is sent; an error that it throws ends the
   * request.
   */
  readonly beforeSend?: () => void;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** `host:port` of the proxy that the request was sent to over plain HTTP; the proxy itself may have answered. */
  readonly proxy?: string;
}

interface AxiosInstance {
  request(
    config: Record<string, unknown>,
  ): Promise<{ status: number; headers: Record<string, unknown>; data: unknown }>;
}

/**
 * One HTTP exchange with Vault through the public Axios instance of hashi-vault-js, without redirects, proxy, absolute
 * URLs and body handling of its own; every status is an answer. Certificates are checked before each request, so that
 * changed files are used without a restart.
 */
@injectable()
export class VaultTransport {
  private readonly axios: AxiosInstance;
  private readonly trust: TrustStore | undefined;
  private readonly certificate: ClientCertificate | undefined;
  /** The connection pool and the TLS material it was made with. */
  private made:
    | {
        readonly pool: ConnectionPool;
        readonly roots: readonly string[] | undefined;
        readonly pair: CertificatePair | undefined;
      }
    | undefined;

  constructor(
    @inject(TOKENS.vaultConfig) private readonly config: VaultConfig,
    @inject(TOKENS.agents) private readonly agents: AgentFactory,
    @inject(TOKENS.logger) logger: Logger,
    /** The number of concurrent requests: a request that waits for a connection uses up its timeout. */
    @inject(TOKENS.vaultMaxSockets, { isOptional: true }) private readonly maxSockets: number = MAX_SOCKETS,
    /** How long a reused connection may stay silent after a read before a new one is tried, in milliseconds. */
    @inject(TOKENS.silentMs, { isOptional: true }) private readonly silentMs: number = SILENT_MS,
  ) {
    if (config.skipVerify && config.address.startsWith('https:'))
      logger.warn("VAULT_SKIP_VERIFY is set: Vault's certificate is not verified");
    if (config.timeoutMs > VAULT_REQUEST_LIMITS_MS.secret)
      logger.warn('VAULT_CLIENT_TIMEOUT is above the limit; the limit applies', {
        limitSeconds: VAULT_REQUEST_LIMITS_MS.secret / 1_000,
        loginLimitSeconds: VAULT_REQUEST_LIMITS_MS.session / 1_000,
      });
    const client = new Vault({
      https: false,
      baseUrl: `${config.address}/v1`,
      timeout: Math.min(config.timeoutMs, MAX_TIMER_MS),
      proxy: false,
    });
    this.axios = (client as unknown as { instance: AxiosInstance }).instance;
    this.trust = vaultTrust(config, logger) ?? agents.trust();
    const { clientCertFile: cert, clientKeyFile: key } = config;
    this.certificate =
      cert === undefined || key === undefined ? undefined : new ClientCertificate({ cert, key }, logger);
  }

  /**
   * @throws VaultError when there is no usable client certificate, else whatever Axios throws; the
   *   caller reduces it to a code.
   */
  async send(request: RawRequest): Promise<RawResponse> {
    try {
      return await this.exchange(request);
    } catch (error) {
      // A reset on a reused connection: a device in between dropped it, or the peer has just closed it.
      if (!isStaleConnection(error) || request.signal.aborted || request.once === true) throw error;
      return await this.exchange(request);
    }
  }

  /** The buffers of the bodies are wiped afterwards: both may hold values. */
  private async exchange(request: RawRequest): Promise<RawResponse> {
    const { origin, pathname, search } = new URL(request.url);
    const pool = this.pool();
    if (request.once === true) pool.dropIdle();
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    const sent = new WipedBytes();
    if (body !== undefined) sent.add(body);
    const received = new WipedBytes();
    const transport = fencedRequests(origin.startsWith('https:'), {
      beforeSend: request.beforeSend,
      // Reading twice does no harm; a write may be on its way all the same.
      silentMs: request.method === 'GET' ? this.silentMs : undefined,
      sent,
      received,
    });
    try {
      const { status, headers, data } = await this.axios.request({
        method: request.method,
        baseURL: origin,
        url: `${pathname}${search}`,
        allowAbsoluteUrls: false,
        // Decompression would leave copies of the answer in buffers of zlib.
        headers: { ...request.headers, 'Accept-Encoding': 'identity' },
        data: body,
        signal: request.signal,
        httpAgent: pool.http,
        httpsAgent: pool.https,
        proxy: false,
        transport,
        maxRedirects: 0,
        timeout: Math.min(this.config.timeoutMs, MAX_TIMER_MS),
        responseType: 'arraybuffer',
        transformRequest: [(same: unknown) => same],
        transformResponse: [(same: unknown) => same],
        validateStatus: () => true,
        maxContentLength: MAX_BODY_BYTES,
        maxBodyLength: MAX_BODY_BYTES,
        decompress: true,
      });
      const { proxy } = transport;
      const via = proxy === undefined ? {} : { proxy };
      if (Buffer.isBuffer(data)) received.add(data);
      if (status === 407 && proxy !== undefined) throw ProxyError.answering(proxy, status);
      const text = Buffer.isBuffer(data) ? new TextDecoder().decode(data) : '';
      return { status, headers, text, ...via };
    } finally {
      received.wipe();
      // Otherwise it may still be in flight, and is wiped when the request ends.
      if (!transport.began) sent.wipe();
    }
  }

  close(): void {
    this.made?.pool.retire();
    this.made = undefined;
  }

  private pool(): ConnectionPool {
    const roots = this.trust?.roots();
    const pair = this.certificate?.current();
    if (this.made !== undefined && this.made.roots === roots && this.made.pair === pair)
      return this.made.pool;
    this.made?.pool.retire();
    const { config, agents } = this;
    const context = secureContext({ ca: roots, ...pair });
    const pool = agents.pool({
      maxSockets: this.maxSockets,
      context: () => context,
      rejectUnauthorized: !config.skipVerify,
      servername: config.tlsServerName,
      proxy: config.proxy,
    });
    this.made = { pool, roots, pair };
    return pool;
  }
}

/** Whether a reused connection ended before an answer began. */
function isStaleConnection(error: unknown): boolean {
  const { code, request } = error as { code?: unknown; request?: Partial<ClientRequest> & { res?: unknown } };
  const isReset = code === 'ECONNRESET' || code === 'EPIPE';
  return isReset && request?.reusedSocket === true && (request.res === undefined || request.res === null);
}

/** The first of file, bytes and path is used and replaces the built-in roots, as in the official client. */
function vaultTrust(config: VaultConfig, logger: Logger): TrustStore | undefined {
  const { caCertFile, caCertBytes, caPath } = config;
  if (caCertFile !== undefined)
    return new TrustStore({ files: [caCertFile], directories: [], builtIn: false }, logger);
  if (caCertBytes !== undefined) {
    return new TrustStore({ files: [], directories: [], pem: caCertBytes, builtIn: false }, logger);
  }
  if (caPath !== undefined)
    return new TrustStore({ files: [], directories: [caPath], builtIn: false }, logger);
  return undefined;
}
