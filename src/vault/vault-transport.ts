import { readFileSync } from 'node:fs';
import type { AgentOptions } from 'node:https';

import Vault from 'hashi-vault-js';

import type { VaultConfig } from '../config/config.js';
import type { Logger } from '../observability/logger.js';
import type { AgentFactory, AnyAgent } from '../runtime/agents.js';
import { TrustStore } from '../runtime/trust-store.js';

/** Requests run side by side on few connections; reconciles and renewals together stay below this. */
const MAX_SOCKETS = 16;

export interface RawRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
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
 * that: no redirects, no proxy and no body handling of its own, every status an answer. Certificates
 * are looked at before each request, so that changed files are used without a restart.
 */
export class VaultTransport {
  private readonly axios: AxiosInstance;
  private readonly trust: TrustStore | undefined;
  private agent:
    | { readonly made: AnyAgent; readonly roots: readonly string[] | undefined; readonly client: string }
    | undefined;

  constructor(
    private readonly options: {
      readonly config: VaultConfig;
      readonly agents: AgentFactory;
      readonly logger: Logger;
    },
  ) {
    const { config, agents, logger } = options;
    const client = new Vault({
      https: false,
      baseUrl: `${config.address}/v1`,
      timeout: config.timeoutMs,
      proxy: false,
    });
    this.axios = (client as unknown as { instance: AxiosInstance }).instance;
    this.trust = vaultTrust(config, logger) ?? agents.trust();
  }

  /** @throws whatever Axios throws; the caller reduces it to a code. */
  async send(request: RawRequest): Promise<RawResponse> {
    const agent = this.currentAgent();
    const { status, headers, data } = await this.axios.request({
      method: request.method,
      url: request.url,
      baseURL: '',
      allowAbsoluteUrls: true,
      headers: request.headers,
      data: request.body,
      signal: request.signal,
      httpAgent: agent,
      httpsAgent: agent,
      proxy: false,
      maxRedirects: 0,
      timeout: this.options.config.timeoutMs,
      responseType: 'text',
      transformRequest: [(body: unknown) => body],
      transformResponse: [(body: unknown) => body],
      validateStatus: () => true,
      maxContentLength: 64 * 1024 * 1024,
      maxBodyLength: 64 * 1024 * 1024,
      decompress: true,
    });
    return { status, headers, text: typeof data === 'string' ? data : '' };
  }

  close(): void {
    this.agent?.made.destroy();
    this.agent = undefined;
  }

  private currentAgent(): AnyAgent {
    const { config, agents } = this.options;
    const roots = this.trust?.roots();
    const client = this.clientPair();
    if (this.agent !== undefined && this.agent.roots === roots && this.agent.client === client.text) {
      return this.agent.made;
    }
    // Requests in flight finish on the old agent; only its idle connections go at once.
    for (const sockets of Object.values(this.agent?.made.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    const tls: AgentOptions = { ...client.options, rejectUnauthorized: !config.skipVerify };
    if (config.tlsServerName !== undefined) tls.servername = config.tlsServerName;
    const made = agents.agent({
      url: config.address,
      maxSockets: MAX_SOCKETS,
      tls,
      ...(this.trust === undefined ? {} : { trust: this.trust }),
      ...(config.proxy === undefined ? {} : { proxy: config.proxy }),
    });
    this.agent = { made, roots, client: client.text };
    return made;
  }

  /** The client certificate as it is on disk now; a half-written pair is refused by TLS and read again. */
  private clientPair(): { options: AgentOptions; text: string } {
    const { clientCertFile, clientKeyFile } = this.options.config;
    if (clientCertFile === undefined || clientKeyFile === undefined) return { options: {}, text: '' };
    const cert = readFileSync(clientCertFile, 'utf8');
    const key = readFileSync(clientKeyFile, 'utf8');
    return { options: { cert, key }, text: `${cert}\n${key}` };
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
