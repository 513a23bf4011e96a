import type { KubeConfig } from '@kubernetes/client-node';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { createHash } from 'node:crypto';
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { rootCertificates } from 'node:tls';

import type { Clock } from '../runtime/clock.js';
import { ApiCredentials, type ConnectionSecrets } from './api-credentials.js';
import { KubeError } from './kube-error.js';

/** How long a proxy may take to open a tunnel, and an idle socket through it may live. */
const PROXY_TIMEOUT_MS = 60_000;
/** Beyond these a free socket is closed; reconciles run in parallel, but not by the hundred. */
const MAX_FREE_SOCKETS = 16;

export interface ApiConnectionOptions {
  readonly kubeConfig: KubeConfig;
  /** The proxy for a URL by the environment; one in the kubeconfig comes first. */
  readonly proxyFor?: (url: URL) => string | undefined;
  /** PEM roots trusted beside those of the kubeconfig; asked at every connect. */
  readonly extraRoots?: () => readonly string[];
  readonly clock?: Pick<Clock, 'monotonicMs'>;
}

export interface ApiRequest {
  readonly method: string;
  /** Absolute path below the server's URL: `/apis/…`, without a query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  /** Called when the connection stands, right before the first byte is sent; what it throws is thrown. */
  readonly beforeSend?: () => void;
}

/**
 * Opens requests to the API server of a kubeconfig: keep-alive, proxies, a server URL with a path, and
 * the credentials as their files are now.
 */
export class ApiConnection {
  readonly kubeConfig: KubeConfig;
  private readonly credentials: ApiCredentials;
  private readonly proxyFor: (url: URL) => string | undefined;
  private readonly extraRoots: () => readonly string[];
  private agent: { readonly key: string; readonly agent: HttpAgent | HttpsAgent } | undefined;

  constructor(options: ApiConnectionOptions) {
    this.kubeConfig = options.kubeConfig;
    this.extraRoots = options.extraRoots ?? (() => []);
    this.credentials = new ApiCredentials(options.kubeConfig, this.extraRoots, options.clock);
    this.proxyFor = options.proxyFor ?? (() => undefined);
  }

  /** The server's URL, without a trailing slash. */
  get server(): string {
    return (this.kubeConfig.getCurrentCluster()?.server ?? '').replace(/\/+$/, '');
  }

  /**
   * Sends one request and resolves with the answer's head, whatever its status; redirects are answers
   * like any other. The caller reads or destroys the body. Aborting cuts the connection, also while the
   * body is being read. After a 401 to what a credential plugin gave, the request is sent once more with
   * what the plugin gives then.
   *
   * @throws KubeError without a status when there is no answer.
   */
  async open(request: ApiRequest): Promise<IncomingMessage> {
    const secrets = await unlessAborted(this.credentials.read(), request);
    const answer = await this.attempt(request, secrets);
    if (!this.credentials.mayHelpAgain(secrets, answer.statusCode)) return answer;
    // Nothing was done yet: 401 comes before everything else.
    answer.resume();
    return await this.attempt(request, await unlessAborted(this.credentials.read(), request));
  }

  private async attempt(request: ApiRequest, secrets: ConnectionSecrets): Promise<IncomingMessage> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.send(request, secrets);
      } catch (error) {
        // The server may close an idle connection just as it is taken from the pool.
        if (attempt < 2 && error instanceof StaleConnection && !request.signal.aborted) continue;
        throw error instanceof StaleConnection ? error.error : error;
      }
    }
  }

  /** Closes the connections that carry no request: after a stall the pool's are likely dead, too. */
  dropIdle(): void {
    for (const sockets of Object.values(this.agent?.agent.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  /** Cuts every connection. */
  close(): void {
    this.agent?.agent.destroy();
    this.agent = undefined;
  }

  private send(request: ApiRequest, secrets: ConnectionSecrets): Promise<IncomingMessage> {
    const url = new URL(this.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const secure = url.protocol === 'https:';
    const operation = `${request.method} ${request.path}`;
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? httpsRequest : httpRequest)(url, {
        method: request.method,
        agent: secrets.socksAgent ?? this.agentFor(url, secrets),
        signal: request.signal,
        ...(secrets.auth !== undefined ? { auth: secrets.auth } : {}),
        headers: {
          accept: 'application/json',
          ...secrets.headers,
          ...(request.body !== undefined
            ? {
                'content-type': request.contentType ?? 'application/json',
                'content-length': Buffer.byteLength(request.body),
              }
            : {}),
        },
      });
      outgoing.once('response', resolve);
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const failure = failureOf(operation, error, request.signal);
        const stale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(stale ? new StaleConnection(failure) : failure);
      });
      whenConnected(outgoing, () => {
        try {
          request.beforeSend?.();
        } catch (error) {
          reject(error instanceof Error ? error : new Error('the request may not be sent'));
          outgoing.destroy();
          return;
        }
        outgoing.end(request.body);
      });
    });
  }

  /** One agent for as long as the TLS material stays the same; in-flight requests keep the old one. */
  private agentFor(url: URL, secrets: ConnectionSecrets): HttpAgent | HttpsAgent {
    const proxy = this.kubeConfig.getCurrentCluster()?.proxyUrl ?? this.proxyFor(url);
    const { ca, cert, key, servername, rejectUnauthorized } = secrets.tls;
    const hash = createHash('sha256');
    for (const part of [proxy, cert, key, servername, rejectUnauthorized, ...(ca ?? [])]) {
      hash
        .update(part === undefined ? '\u0000-' : typeof part === 'boolean' ? String(part) : part)
        .update('\u0000');
    }
    const digest = hash.digest('base64');
    if (this.agent?.key === digest) return this.agent.agent;
    this.dropIdle();
    const options = {
      keepAlive: true,
      maxFreeSockets: MAX_FREE_SOCKETS,
      ...secrets.tls,
      ca: ca as (string | Buffer)[] | undefined,
    };
    const secure = url.protocol === 'https:';
    const extra = this.extraRoots();
    const agent =
      proxy === undefined
        ? secure
          ? new HttpsAgent(options)
          : new HttpAgent({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS })
        : secure
          ? new HttpsProxyAgent({
              ...options,
              proxy,
              timeout: PROXY_TIMEOUT_MS,
              // A proxy with TLS of its own is judged by the added roots, never by the cluster's.
              ...(extra.length > 0 ? { proxyRequestOptions: { ca: [...rootCertificates, ...extra] } } : {}),
            })
          : new HttpProxyAgent({ keepAlive: true, proxy, timeout: PROXY_TIMEOUT_MS });
    this.agent = { key: digest, agent };
    return agent;
  }
}

/** A request that a kept connection lost before an answer began; safe to send once more. */
class StaleConnection extends Error {
  constructor(readonly error: Error) {
    super('stale connection');
  }
}

/** A credential plugin may hang; the caller's signal ends the wait, not the plugin. */
function unlessAborted<T>(promise: Promise<T>, { method, path, signal }: ApiRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(failureOf(`${method} ${path}`, new Error(), signal));
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort);
    });
  });
}

function whenConnected(outgoing: ClientRequest, then: () => void): void {
  outgoing.once('socket', (socket: Socket & { encrypted?: boolean; secureConnecting?: boolean }) => {
    if (socket.encrypted === true && socket.secureConnecting === true) socket.once('secureConnect', then);
    else if (socket.connecting) socket.once('connect', then);
    else then();
  });
}

function failureOf(operation: string, error: NodeJS.ErrnoException, signal: AbortSignal): Error {
  if (signal.aborted) {
    return signal.reason instanceof Error && signal.reason.name !== 'AbortError'
      ? signal.reason
      : new KubeError(`${operation}: given up`, undefined);
  }
  // Only the code: the message of a TLS or proxy error may quote certificates and addresses.
  const code = typeof error.code === 'string' ? error.code : 'connection failed';
  return new KubeError(`${operation}: no answer from the API server (${code})`, undefined);
}
