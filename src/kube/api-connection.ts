import { type Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions, rootCertificates, type SecureContext } from 'node:tls';

import type { KubeConfig } from '@kubernetes/client-node';
import { inject, injectable } from 'tsyringe';

import { unlessAborted } from '../runtime/abort.js';
import { contextOf, secureContext } from '../runtime/agents.js';
import type { Clock } from '../runtime/clock.js';
import { ConnectionPool } from '../runtime/connection-pool.js';
import { type ConnectionUse, withUse } from '../runtime/connection-use.js';
import type { ConnectionLimits } from '../runtime/connector.js';
import { beforeFirstByte } from '../runtime/before-first-byte.js';
import { withoutFinalDot } from '../runtime/host-name.js';
import { ProxyError, proxyErrorOf } from '../runtime/proxy-tunnel.js';
import { TOKENS } from '../tokens.js';
import { ApiCredentials, type ConnectionSecrets, type TlsMaterial } from './api-credentials.js';
import { KubeError } from './kube-error.js';

/** More free sockets than this are closed: only a few reconciles run in parallel. */
const MAX_FREE_SOCKETS = 16;
/** Limit for the head of an answer; for a large list it comes only after the list was read from the store. */
const SILENT_MS = 5_000;

/**
 * How long one address of a SOCKS proxy is tried before the next one, in milliseconds: its agent opens the connection
 * itself, and Node gives each address a quarter of a second.
 */
const SOCKS_ATTEMPT_MS = 5_000;

/** Settings from the environment in addition to a kubeconfig. */
export interface NetworkSettings {
  /** The proxy for a URL from the environment; a proxy in the kubeconfig takes precedence. */
  proxyFor?(url: URL): string | undefined;
  /** PEM roots in addition to those of the kubeconfig; called for every connection. */
  extraRoots?(): readonly string[];
}

export interface ApiRequest {
  readonly method: string;
  /** Absolute path below the server's URL: `/apis/…`, without a query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
  /** Called when the connection is established, right before the first byte is sent; its error is passed on. */
  readonly beforeSend?: () => void;
}

/** The head of an answer. */
export interface ApiAnswer extends IncomingMessage {
  /** `host:port` of the proxy that the request was sent to over plain HTTP; the proxy itself may have answered. */
  proxy?: string;
}

/**
 * Opens requests to the API server of a kubeconfig: keep-alive, proxies, a server URL with a path, and
 * the credentials as their files are now.
 */
@injectable()
export class ApiConnection {
  private readonly credentials: ApiCredentials;
  private made:
    { readonly tls: TlsMaterial; readonly context: SecureContext; readonly pool: ConnectionPool } | undefined;

  constructor(
    @inject(TOKENS.kubeConfig) readonly kubeConfig: KubeConfig,
    @inject(TOKENS.agents) private readonly network: NetworkSettings = {},
    @inject(TOKENS.clock) clock?: Pick<Clock, 'monotonicMs'>,
    @inject(TOKENS.connectionLimits, { isOptional: true }) private readonly limits: ConnectionLimits = {},
    /** How long a reused connection may stay silent after a read before a new one is tried, in milliseconds. */
    @inject(TOKENS.silentMs, { isOptional: true }) private readonly silentMs: number = SILENT_MS,
  ) {
    this.credentials = new ApiCredentials(kubeConfig, () => this.extraRoots(), clock);
  }

  /** The server's URL, without a trailing slash, and like `NewRESTClient` of client-go without query and fragment. */
  get server(): string {
    return (this.kubeConfig.getCurrentCluster()?.server ?? '').replace(/[?#].*$/, '').replace(/\/+$/, '');
  }

  /**
   * Sends one request and resolves with the head of the answer, whatever its status; redirects are not followed.
   * The caller reads or destroys the body. Aborting closes the connection, also while the body is being read. After
   * a 401 for credentials of an exec plugin, the request is sent once more with new ones.
   *
   * @throws KubeError without a status when there is no answer.
   */
  async open(request: ApiRequest): Promise<ApiAnswer> {
    const { credentials } = this;
    const secrets = credentials.unchanged() ?? (await whileWanted(credentials.read(), request));
    const answer = await this.attempt(request, secrets);
    if (secrets.run === undefined) return answer;
    const isWorthIt = credentials.refreshRejected(secrets, answer.statusCode);
    if (!(await whileWanted(isWorthIt, request))) return answer;
    // 401 means that nothing was done yet, so the request can be sent again.
    answer.resume();
    const others = await whileWanted(credentials.read(), request);
    const second = await this.attempt(request, others);
    if (second.statusCode !== 401) await credentials.refreshRejected(others, second.statusCode);
    return second;
  }

  private async attempt(request: ApiRequest, secrets: ConnectionSecrets): Promise<ApiAnswer> {
    try {
      return await whileWanted(this.send(request, secrets), request);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      if (request.signal.aborted) throw error.error;
    }
    // The pool has closed the other idle connections by now, so this one is new.
    try {
      return await whileWanted(this.send(request, secrets), request);
    } catch (error) {
      throw error instanceof StaleConnection ? error.error : error;
    }
  }

  /** Closes idle connections: after one stalled, the others are probably dead as well. */
  dropIdle(): void {
    this.made?.pool.dropIdle();
  }

  /** Closes every connection. */
  close(): void {
    this.made?.pool.destroy();
    this.made = undefined;
  }

  private extraRoots(): readonly string[] {
    return this.network.extraRoots?.() ?? [];
  }

  private send(request: ApiRequest, secrets: ConnectionSecrets): Promise<ApiAnswer> {
    const url = new URL(this.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const secure = url.protocol === 'https:';
    const operation = `${request.method} ${request.path}`;
    return new Promise((resolve, reject) => {
      const use: ConnectionUse = {
        reused: false,
        // A read can be repeated safely; a change may have arrived.
        ...(request.method === 'GET' ? { silentMs: this.silentMs } : {}),
      };
      const options: RequestOptions = {
        method: request.method,
        agent: this.agent(secrets, url),
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
      };
      const outgoing = (secure ? httpsRequest : httpRequest)(url, withUse(options, use));
      outgoing.once('response', (answer: ApiAnswer) => {
        if (use.proxy === undefined) {
          resolve(answer);
        } else if (answer.statusCode === 407) {
          answer.resume();
          reject(failureOf(operation, ProxyError.answering(use.proxy, 407), request.signal));
        } else {
          answer.proxy = use.proxy;
          resolve(answer);
        }
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const failure = failureOf(operation, error, request.signal);
        const stale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(stale ? new StaleConnection(failure) : failure);
      });
      beforeFirstByte(
        outgoing,
        () => {
          request.beforeSend?.();
          outgoing.end(request.body);
        },
        reject,
      );
    });
  }

  private agent(secrets: ConnectionSecrets, url: URL): HttpAgent {
    const { socksAgent, tls } = secrets;
    const { pool, context } = this.connections(secrets);
    if (socksAgent === undefined) return pool.for(url);
    const { lookup } = this.limits;
    (socksAgent as { socketOptions?: object }).socketOptions = {
      autoSelectFamilyAttemptTimeout: SOCKS_ATTEMPT_MS,
      ...(lookup === undefined ? {} : { lookup }),
    };
    // The options of an agent go before those of a request, also where they are undefined.
    const options = socksAgent.options as ConnectionOptions;
    options.secureContext = context;
    const servername = withoutFinalDot(tls.servername ?? url.hostname).replace(/^\[|\]$/g, '');
    if (isIP(servername) === 0) options.servername = servername;
    // By itself the agent checks the certificate of an address for the name of the proxy, or for "localhost".
    else options.checkServerIdentity = (_name, certificate) => checkServerIdentity(servername, certificate);
    return socksAgent;
  }

  /** Both are kept as long as the TLS material is unchanged; requests in flight keep their connection. */
  private connections(secrets: ConnectionSecrets): NonNullable<typeof this.made> {
    const { tls } = secrets;
    if (this.made !== undefined && isSameMaterial(this.made.tls, tls)) return this.made;
    const { ca, cert, key, servername, rejectUnauthorized } = tls;
    this.made?.pool.retire();
    const context = secureContext({ ca, cert, key });
    const pool = new ConnectionPool({
      maxFreeSockets: MAX_FREE_SOCKETS,
      context: () => context,
      // A proxy that speaks TLS is verified with the additional roots, never with those of the cluster.
      proxyContext: contextOf(() => {
        const added = this.extraRoots();
        return added.length === 0 ? undefined : added;
      }, rootCertificates),
      servername,
      rejectUnauthorized,
      proxyFor: (url) => this.kubeConfig.getCurrentCluster()?.proxyUrl ?? this.network.proxyFor?.(url),
      limits: this.limits,
    });
    this.made = { tls, context, pool };
    return this.made;
  }
}

/** The reused connection failed before an answer began; the request can be sent once more. */
class StaleConnection extends Error {
  constructor(readonly error: Error) {
    super('stale connection');
  }
}

/** Rotated files often hold the same as before. */
function isSameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  if (a === b) return true;
  const { ca: others = [] } = b;
  return (
    a.servername === b.servername &&
    a.rejectUnauthorized === b.rejectUnauthorized &&
    isSamePem(a.cert, b.cert) &&
    isSamePem(a.key, b.key) &&
    (a.ca ?? []).length === others.length &&
    (a.ca ?? []).every((pem, index) => isSamePem(pem, others[index]))
  );
}

function isSamePem(a: string | Buffer | undefined, b: string | Buffer | undefined): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b;
}

/** Ends the wait for an exec plugin or a connection when the caller's signal aborts. */
function whileWanted<T>(promise: Promise<T>, { method, path, signal }: ApiRequest): Promise<T> {
  return unlessAborted(promise, signal, () => failureOf(`${method} ${path}`, new Error(), signal));
}

function failureOf(operation: string, error: NodeJS.ErrnoException, signal: AbortSignal): Error {
  if (signal.aborted) {
    return signal.reason instanceof Error && signal.reason.name !== 'AbortError'
      ? signal.reason
      : new KubeError(`${operation}: cancelled`, undefined);
  }
  const proxy = proxyErrorOf(error);
  if (proxy !== undefined)
    return new KubeError(`${operation}: cannot reach the API server: ${proxy.message}`, undefined);
  // Only the code: the message of a TLS or proxy error may quote certificates and addresses.
  const code = typeof error.code === 'string' ? error.code : 'connection failed';
  return new KubeError(`${operation}: no response from the API server (${code})`, undefined);
}
