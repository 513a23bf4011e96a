import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';

import { HttpProxyAgent, HttpsProxyAgent, type HttpsProxyAgentOptions } from 'hpagent';

import type { AwsConfig, NetworkConfig } from '../config/config.js';
import type { Logger } from '../observability/logger.js';
import { proxyFor } from './proxy.js';
import { TrustStore } from './trust-store.js';

export interface AgentRequest {
  readonly url: string;
  readonly maxSockets: number;
  /** Client certificate, server name and the like. */
  readonly tls?: AgentOptions;
  /** Roots; without a store Node's own (with `NODE_EXTRA_CA_CERTS`) are used. */
  readonly trust?: TrustStore;
  /** Instead of the environment's proxies. */
  readonly proxy?: string;
}

/** An agent that also fits plain HTTP, chosen by the URL. */
export type AnyAgent = HttpAgent | HttpsAgent;

/** Makes keep-alive agents that honour proxies and added roots, the same way for every peer. */
export class AgentFactory {
  constructor(private readonly options: { readonly network: NetworkConfig; readonly logger: Logger }) {}

  /** The roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` add, and further ones; undefined when there are none. */
  trust(extraFiles: readonly string[] = []): TrustStore | undefined {
    const { sslCertFile, sslCertDirs } = this.options.network;
    const files = [...(sslCertFile === undefined ? [] : [sslCertFile]), ...extraFiles];
    if (files.length === 0 && sslCertDirs.length === 0) return undefined;
    return new TrustStore({ files, directories: sslCertDirs, builtIn: true }, this.options.logger);
  }

  agent({ url, maxSockets, tls, trust, proxy }: AgentRequest): AnyAgent {
    const target = new URL(url);
    const options: AgentOptions = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, ...tls };
    if (trust !== undefined) options.ca = [...trust.roots()];
    const via = proxy ?? proxyFor(target, this.options.network);
    if (via === undefined)
      return target.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
    const proxied: HttpsProxyAgentOptions = { ...options, proxy: via };
    if (trust !== undefined) proxied.proxyRequestOptions = { ca: [...trust.roots()] };
    return target.protocol === 'https:' ? new HttpsProxyAgent(proxied) : new HttpProxyAgent(proxied);
  }

  /** The agents of an AWS SDK client for one endpoint. */
  forAws(
    endpoint: string,
    maxSockets: number,
    aws: Pick<AwsConfig, 'caBundle'> = {},
  ): { httpAgent?: HttpAgent; httpsAgent?: HttpsAgent } {
    const trust = this.trust(aws.caBundle === undefined ? [] : [aws.caBundle]);
    const agent = this.agent({ url: endpoint, maxSockets, ...(trust === undefined ? {} : { trust }) });
    return agent instanceof HttpsAgent ? { httpsAgent: agent } : { httpAgent: agent };
  }
}
