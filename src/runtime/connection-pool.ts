import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent as HttpAgent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import { isIPv6, type LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';

import { keepConnectionOptions } from './connection-options.js';
import { ConnectTimeoutError, dial } from './dial.js';
import { withoutFinalDot } from './host-name.js';
import { openTunnel } from './proxy-tunnel.js';

/**
 * Idle connections are closed before anything in between forgets them: an AWS NAT gateway or network load
 * balancer does after 350 s, an application load balancer after 60 s, Azure after 4 minutes.
 */
const IDLE_LIMIT_MS = 30_000;
/** So that a peer that is gone is noticed, and what lies in between sees that the connection is in use. */
const KEEP_ALIVE_MS = 15_000;
/** Look-up, TCP, tunnel and TLS together; each of Vault's own clients gives 10 s to TLS alone. */
const CONNECT_LIMIT_MS = 10_000;

/** Set up around a request, it learns whether the request was given a connection that had been idle. */
export const connectionUse = new AsyncLocalStorage<{ reused: boolean }>();

/** What tests set to see in milliseconds what takes half a minute, or to answer for the resolver. */
export interface ConnectionLimits {
  readonly idleMs?: number;
  readonly connectMs?: number;
  readonly lookup?: LookupFunction;
}

export interface PoolOptions {
  /** The most connections to one destination; no limit when absent. */
  readonly maxSockets?: number;
  readonly maxFreeSockets?: number;
  /** The roots and the client certificate; asked at every connect. */
  readonly context: () => SecureContext | undefined;
  /** The roots for a proxy that itself speaks TLS; those of `context` when absent. */
  readonly proxyContext?: () => SecureContext | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  /** The proxy for a URL of scheme, host and port; asked at every connect. */
  readonly proxyFor: (url: URL) => string | undefined;
  readonly limits?: ConnectionLimits;
}

type ConnectionOptions = ClientRequestArgs & { readonly servername?: string };
type ConnectionCallback = (error: Error | null, stream: Duplex) => void;

/**
 * Keep-alive connections to any number of destinations, over HTTP and HTTPS, each straight or through the
 * proxy that its host asks for.
 */
export class ConnectionPool {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;

  constructor(options: PoolOptions) {
    const { maxSockets, maxFreeSockets = maxSockets, servername, rejectUnauthorized } = options;
    const shared: AgentOptions = {
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      ...(maxSockets === undefined ? {} : { maxSockets }),
      ...(maxFreeSockets === undefined ? {} : { maxFreeSockets }),
    };
    this.http = new PooledHttpAgent(shared, new Connector('http:', options));
    this.https = new PooledHttpsAgent(
      {
        ...shared,
        ...(servername === undefined ? {} : { servername }),
        ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
      },
      new Connector('https:', options),
    );
  }

  /** The agent for a URL. */
  for(url: { readonly protocol: string }): HttpAgent {
    return url.protocol === 'https:' ? this.https : this.http;
  }

  /** Closes the connections that carry no request. */
  dropIdle(): void {
    for (const agent of [this.http, this.https]) {
      for (const name of Object.keys(agent.freeSockets)) dropFree(agent, name);
    }
  }

  /** Requests in flight finish on their connection; it closes after them, idle ones close now. */
  retire(): void {
    this.http.maxFreeSockets = 0;
    this.https.maxFreeSockets = 0;
    this.dropIdle();
  }

  /** Cuts every connection. */
  destroy(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

/** Opens connections for one scheme and looks after them while they are idle. */
class Connector {
  /** The key under which the agent keeps a connection. */
  readonly names = new WeakMap<Duplex, string>();
  private readonly idleTimers = new WeakMap<Duplex, NodeJS.Timeout>();

  constructor(
    private readonly scheme: 'http:' | 'https:',
    private readonly options: PoolOptions,
  ) {}

  /** Opens the way to the peer; `secure` begins TLS over it, whose time is limited as well. */
  async open(
    options: ConnectionOptions,
    giveUp: AbortSignal,
    secure?: (raw: Socket, context: SecureContext | undefined) => Socket,
  ): Promise<Socket> {
    const limit = new AbortController();
    const end = (): void => {
      limit.abort(new ConnectTimeoutError());
    };
    const timer = setTimeout(end, this.options.limits?.connectMs ?? CONNECT_LIMIT_MS);
    const settle = (): void => {
      clearTimeout(timer);
      giveUp.removeEventListener('abort', end);
    };
    giveUp.addEventListener('abort', end, { once: true });
    try {
      const raw = await this.raw(options, limit.signal);
      if (secure === undefined) {
        settle();
        return raw;
      }
      const socket = secureOrDestroy(raw, () => secure(raw, this.options.context()));
      limit.signal.addEventListener('abort', () => socket.destroy(limit.signal.reason as Error), {
        once: true,
      });
      socket.once('secureConnect', settle).once('close', settle);
      return socket;
    } catch (error) {
      settle();
      throw error;
    }
  }

  private async raw(options: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
    const host = options.host ?? 'localhost';
    const target = `${isIPv6(host) ? `[${host}]` : host}:${String(options.port ?? '')}`;
    const proxy = this.options.proxyFor(new URL(`${this.scheme}//${target}`));
    const { lookup } = this.options.limits ?? {};
    const common = { keepAliveMs: KEEP_ALIVE_MS, signal, ...(lookup === undefined ? {} : { lookup }) };
    if (proxy === undefined) return await dial({ ...common, host, port: Number(options.port) });
    const context = (this.options.proxyContext ?? this.options.context)();
    return await openTunnel({ ...common, proxy: new URL(proxy), target, context });
  }

  /** A connection begins to be idle; `keep` is what Node makes of the peer's `Keep-Alive` header. */
  idle(socket: Duplex, keep: unknown): boolean {
    clearTimeout(this.idleTimers.get(socket));
    const timer = setTimeout(() => {
      socket.destroy();
    }, this.options.limits?.idleMs ?? IDLE_LIMIT_MS);
    timer.unref();
    this.idleTimers.set(socket, timer);
    return keep !== false;
  }

  /**
   * An idle connection is used again. When it ends before a byte of an answer has come, what lies in between
   * has most likely forgotten the other idle ones to this destination too: they are closed.
   */
  reuse(agent: HttpAgent, socket: Duplex): void {
    clearTimeout(this.idleTimers.get(socket));
    const use = connectionUse.getStore();
    if (use !== undefined) use.reused = true;
    const { bytesRead } = socket as Socket;
    const onEnd = (): void => {
      release();
      if ((socket as Socket).bytesRead === bytesRead) dropFree(agent, this.names.get(socket) ?? '');
    };
    const release = (): void => {
      for (const event of ['error', 'close']) socket.removeListener(event, onEnd);
      socket.removeListener('free', release);
    };
    // Before Node's own listeners, by which the request fails and may be tried again.
    for (const event of ['error', 'close']) socket.prependListener(event, onEnd);
    socket.prependListener('free', release);
  }
}

function secureOrDestroy(raw: Socket, secure: () => Socket): Socket {
  try {
    return secure();
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

class PooledHttpAgent extends HttpAgent {
  constructor(
    options: AgentOptions,
    private readonly connector: Connector,
  ) {
    super(options);
  }

  override createConnection(options: ConnectionOptions, callback?: ConnectionCallback): undefined {
    openCounted(this, this.connector, options, callback);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return this.connector.idle(socket, super.keepSocketAlive(socket));
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.connector.reuse(this, socket);
    super.reuseSocket(socket, request);
  }
}

class PooledHttpsAgent extends HttpsAgent {
  constructor(
    options: AgentOptions,
    private readonly connector: Connector,
  ) {
    super(options);
  }

  override createConnection(options: ConnectionOptions, callback?: ConnectionCallback): undefined {
    const { servername } = options;
    openCounted(this, this.connector, options, callback, (raw, context) => {
      const secured = {
        ...options,
        socket: raw,
        ...(context === undefined ? {} : { secureContext: context }),
        ...(servername === undefined ? {} : { servername: withoutFinalDot(servername) }),
      };
      return super.createConnection(secured) as Socket;
    });
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return this.connector.idle(socket, super.keepSocketAlive(socket));
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.connector.reuse(this, socket);
    super.reuseSocket(socket, request);
  }
}

/** What an agent of Node keeps, and the key under which it keeps a connection. */
interface AgentInternals {
  readonly sockets: Record<string, Socket[] | undefined>;
  readonly requests: Record<string, ClientRequest[] | undefined>;
  addRequest(request: ClientRequest, options: ConnectionOptions): void;
}

/**
 * Node counts a connection against `maxSockets` when it is handed over, so that a burst would open any
 * number while the first ones are being made, and forgets who waits when one cannot be made. A stand-in
 * is counted from the start, and a failure lets the next one try.
 */
function openCounted(
  agent: HttpAgent,
  connector: Connector,
  options: ConnectionOptions,
  callback: ConnectionCallback = () => undefined,
  secure?: (raw: Socket, context: SecureContext | undefined) => Socket,
): void {
  const name = agent.getName(options);
  keepConnectionOptions(agent, options);
  const internals = agent as unknown as AgentInternals;
  const { sockets, requests } = internals;
  const standIn = new Socket();
  (sockets[name] ??= []).push(standIn);
  const giveUp = new AbortController();
  // `destroy()` of an agent destroys what it counts.
  standIn.once('close', () => {
    giveUp.abort(new ConnectTimeoutError());
  });
  const release = (): void => {
    const counted = sockets[name] ?? [];
    const index = counted.indexOf(standIn);
    if (index !== -1) counted.splice(index, 1);
    if (counted.length === 0) delete sockets[name];
  };
  connector.open(options, giveUp.signal, secure).then(
    (socket) => {
      release();
      connector.names.set(socket, name);
      callback(null, socket);
    },
    (error: unknown) => {
      release();
      callback(error as Error, standIn);
      // Afterwards: the request that has just failed may still be the first in the queue.
      setImmediate(() => {
        const waiting = requests[name];
        let next = waiting?.shift();
        while (next?.destroyed === true) next = waiting?.shift();
        if (waiting?.length === 0) delete requests[name];
        if (next !== undefined) internals.addRequest(next, options);
      });
    },
  );
}

function dropFree(agent: HttpAgent, name: string): void {
  for (const socket of [...(agent.freeSockets[name] ?? [])]) socket.destroy();
}
