import type { AgentOptions } from 'node:https';

import Vault from 'hashi-vault-js';

import type { VaultConfig } from '../config/config.js';
import type { Logger } from '../observability/logger.js';
import type { AgentFactory, AnyAgent } from '../runtime/agents.js';
import { MAX_TIMER_MS } from '../runtime/clock.js';
import { TrustStore } from '../runtime/trust-store.js';
import { VAULT_REQUEST_LIMITS_MS } from '../runtime/wait-limits.js';
import { type CertificatePair, ClientCertificate } from './client-certificate.js';
import { fencedRequests } from './fenced-request.js';

/** Connections when nobody says how many requests run side by side. */
const MAX_SOCKETS = 16;
/** The address, and the active node that a standby names. */
const MAX_AGENTS = 4;
/** Folders of system roots hold hundreds of files: they are looked at this often at most. */
const SYSTEM_ROOTS_CHECK_MS = 10_000;
/** Vault takes 32 MiB; what it gives is that and its metadata. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export interface RawRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
  /** Called when the connection stands, right before the first byte is sent; what it throws ends the request. */
  readonly beforeSend?: () => void;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface AxiosInstance {
  request(
    config: Record<string, unknown>,
  ): Promise<{ status: number; headers: Record<string, unknown>; data: unknown }>;
}

/**
 * One HTTP exchange with Vault through hashi-vault-js, whose public Axios instance is told to do only
 * that: no redirects, no proxy, no absolute URLs and no body handling of its own, every status an
 * answer. Certificates are looked at before each request, so that changed files are used without a
 * restart.
 */
export class VaultTransport {
  private readonly axios: AxiosInstance;
  private readonly vaultTrust: TrustStore | undefined;
  private readonly systemTrust: TrustStore | undefined;
  private readonly certificate: ClientCertificate | undefined;
  private systemRoots: { readonly roots: readonly string[]; readonly seenMs: number } | undefined;
  /** By origin; all of them with the same roots and client certificate. */
  private readonly agents = new Map<string, AnyAgent>();
  private madeWith: {
    readonly roots: readonly string[] | undefined;
    readonly pair: CertificatePair | undefined;
  } = {
    roots: undefined,
    pair: undefined,
  };

  constructor(
    private readonly options: {
      readonly config: VaultConfig;
      readonly agents: AgentFactory;
      readonly logger: Logger;
      /** As many as requests may run side by side: one that waits for a connection uses up its time. */
      readonly maxSockets?: number;
    },
  ) {
    const { config, agents, logger } = options;
    if (config.skipVerify && config.address.startsWith('https:'))
      logger.warn('VAULT_SKIP_VERIFY is set: any certificate is taken for that of Vault');
    if (config.timeoutMs > VAULT_REQUEST_LIMITS_MS.secret)
      logger.warn('VAULT_CLIENT_TIMEOUT is longer than any request to Vault may take', {
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
    this.vaultTrust = vaultTrust(config, logger);
    this.systemTrust = this.vaultTrust === undefined ? agents.trust() : undefined;
    const { clientCertFile: cert, clientKeyFile: key } = config;
    this.certificate =
      cert === undefined || key === undefined ? undefined : new ClientCertificate({ cert, key }, logger);
  }

  /**
   * @throws VaultError when there is no usable client certificate, else whatever Axios throws; the
   *   caller reduces it to a code.
   */
  async send(request: RawRequest): Promise<RawResponse> {
    const { origin, pathname, search } = new URL(request.url);
    const agent = this.agentFor(origin);
    const { status, headers, data } = await this.axios.request({
      method: request.method,
      baseURL: origin,
      url: `${pathname}${search}`,
      allowAbsoluteUrls: false,
      headers: request.headers,
      data: request.body,
      signal: request.signal,
      httpAgent: agent,
      httpsAgent: agent,
      proxy: false,
      ...(request.beforeSend === undefined
        ? {}
        : { transport: fencedRequests(origin.startsWith('https:'), request.beforeSend) }),
      maxRedirects: 0,
      timeout: Math.min(this.options.config.timeoutMs, MAX_TIMER_MS),
      responseType: 'text',
      transformRequest: [(body: unknown) => body],
      transformResponse: [(body: unknown) => body],
      validateStatus: () => true,
      maxContentLength: MAX_BODY_BYTES,
      maxBodyLength: MAX_BODY_BYTES,
      decompress: true,
    });
    return { status, headers, text: typeof data === 'string' ? data : '' };
  }

  close(): void {
    this.retireAgents();
  }

  private agentFor(origin: string): AnyAgent {
    const roots = this.vaultTrust?.roots() ?? this.currentSystemRoots();
    const pair = this.certificate?.current();
    const { madeWith } = this;
    const isStale = madeWith.roots !== roots || madeWith.pair !== pair;
    if (isStale || (this.agents.size >= MAX_AGENTS && !this.agents.has(origin))) this.retireAgents();
    this.madeWith = { roots, pair };
    const known = this.agents.get(origin);
    if (known !== undefined) return known;
    const made = this.newAgent(origin, pair);
    this.agents.set(origin, made);
    return made;
  }

  private newAgent(origin: string, pair: CertificatePair | undefined): AnyAgent {
    const { config, agents } = this.options;
    const trust = this.vaultTrust ?? this.systemTrust;
    const tls: AgentOptions = { ...pair, rejectUnauthorized: !config.skipVerify };
    if (config.tlsServerName !== undefined) tls.servername = config.tlsServerName;
    return agents.agent({
      url: origin,
      maxSockets: this.options.maxSockets ?? MAX_SOCKETS,
      tls,
      ...(trust === undefined ? {} : { trust }),
      ...(config.proxy === undefined ? {} : { proxy: config.proxy }),
    });
  }

  /** Requests in flight finish on their connection; it closes after them, idle ones close now. */
  private retireAgents(): void {
    for (const agent of this.agents.values()) {
      agent.maxFreeSockets = 0;
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) socket.destroy();
      }
    }
    this.agents.clear();
  }

  private currentSystemRoots(): readonly string[] | undefined {
    if (this.systemTrust === undefined) return undefined;
    const nowMs = performance.now();
    if (this.systemRoots === undefined || nowMs - this.systemRoots.seenMs > SYSTEM_ROOTS_CHECK_MS) {
      this.systemRoots = { roots: this.systemTrust.roots(), seenMs: nowMs };
    }
    return this.systemRoots.roots;
  }
}

/** The first of file, bytes and path counts, and replaces the built-in roots, as in the official client. */
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
