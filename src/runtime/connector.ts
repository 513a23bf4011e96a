import type { Agent as HttpAgent, ClientRequest, ClientRequestArgs } from 'node:http';
import { isIPv6, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';

import { onAbort } from './abort.js';
import { systemClock } from './clock.js';
import { useOf } from './connection-use.js';
import { ConnectTimeoutError, dial } from './dial.js';
import { LinkedAbort } from './linked-abort.js';
import { openToProxy, openTunnel } from './proxy-tunnel.js';

/**
 * Idle connections are closed before a device in between drops them: an AWS NAT gateway or network load balancer does
 * so after 350 s, an application load balancer after 60 s, Azure after 4 minutes.
 */
const IDLE_LIMIT_MS = 30_000;
/** Detects a peer that is gone, and shows devices in between that the connection is in use. */
export const KEEP_ALIVE_MS = 15_000;
/** Look-up, TCP, tunnel and TLS together; each of Vault's own clients gives 10 s to TLS alone. */
const CONNECT_LIMIT_MS = 10_000;

/** Limits that tests shorten, and a resolver that they replace. */
export interface ConnectionLimits {
  readonly idleMs?: number;
  readonly connectMs?: number;
  readonly lookup?: LookupFunction;
}

export interface PoolOptions {
  /** The most connections to one destination; no limit when absent. */
  readonly maxSockets?: number;
  readonly maxFreeSockets?: number;
  /** The roots and the client certificate; called for every connection. */
  readonly context: () => SecureContext | undefined;
  /** The roots for a proxy that speaks TLS; those of `context` when absent. */
  readonly proxyContext?: () => SecureContext | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  /** The proxy for a URL of scheme, host and port; called for every connection. */
  readonly proxyFor: (url: URL) => string | undefined;
  readonly limits?: ConnectionLimits;
}

/** The value of {@link Connector.material} when the request was made. */
export const MATERIAL = Symbol('material');

/** The destination of a request, as Node's agents represent it. */
export type ConnectionOptions = ClientRequestArgs & {
  readonly servername?: string;
  readonly [MATERIAL]?: number;
};

/** Opens connections for one scheme and manages them while they are idle. */
export class Connector {
  /** The key under which the agent keeps a connection. */
  readonly names = new WeakMap<Duplex, string>();
  private readonly idleTimers = new WeakMap<Duplex, NodeJS.Timeout>();
  private lastContext: SecureContext | undefined;
  private contexts = 0;

  constructor(
    private readonly scheme: 'http:' | 'https:',
    private readonly options: PoolOptions,
  ) {}

  /** Opens a connection to the peer; `secure` starts TLS on it, which is included in the time limit. */
  async open(
    options: ConnectionOptions,
    giveUp: AbortSignal,
    secure?: (raw: Socket, context: SecureContext | undefined) => Socket,
  ): Promise<Socket> {
    const limit = new LinkedAbort();
    const tooLate = (): Error => new ConnectTimeoutError();
    limit.follow(giveUp, tooLate);
    limit.expireIn(systemClock, this.options.limits?.connectMs ?? CONNECT_LIMIT_MS, tooLate);
    const endLimit = (): void => {
      limit.dispose();
    };
    try {
      const raw = await this.raw(options, limit.signal);
      if (secure === undefined) {
        endLimit();
        return raw;
      }
      const socket = secureOrDestroy(raw, () => secure(raw, this.options.context()));
      onAbort(limit.signal, () => socket.destroy(limit.signal.reason as Error));
      socket.once('secureConnect', endLimit).once('close', endLimit);
      return socket;
    } catch (error) {
      endLimit();
      throw error;
    }
  }

  /** The proxy for a destination, if any. */
  proxyOf(options: ConnectionOptions): URL | undefined {
    const proxy = this.options.proxyFor(new URL(`${this.scheme}//${targetOf(options)}`));
    return proxy === undefined ? undefined : new URL(proxy);
  }

  /**
   * A number for the current roots and client certificate: a connection, and a TLS session that another one resumes,
   * were verified with those at the time.
   */
  material(): number {
    const context = this.options.context();
    if (context !== this.lastContext) {
      this.lastContext = context;
      this.contexts += 1;
    }
    return this.contexts;
  }

  private async raw(options: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
    const host = options.host ?? 'localhost';
    const proxy = this.proxyOf(options);
    const { lookup } = this.options.limits ?? {};
    const common = { keepAliveMs: KEEP_ALIVE_MS, signal, ...(lookup === undefined ? {} : { lookup }) };
    if (proxy === undefined) return await dial({ ...common, host, port: Number(options.port) });
    const context = (this.options.proxyContext ?? this.options.context)();
    if (this.scheme === 'http:') return await openToProxy({ ...common, proxy, context });
    return await openTunnel({ ...common, proxy, target: targetOf(options), context });
  }

  /** A connection becomes idle; `keep` is Node's reading of the peer's `Keep-Alive` header. */
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
   * An idle connection is reused. If it ends before the first byte of an answer, a device in between has probably dropped
   * the other idle connections to this destination as well, so they are closed.
   */
  reuse(agent: HttpAgent, socket: Duplex, request: ClientRequest): void {
    clearTimeout(this.idleTimers.get(socket));
    const use = useOf(request);
    if (use !== undefined) use.reused = true;
    const { bytesRead } = socket as Socket;
    const isSilent = (): boolean => (socket as Socket).bytesRead === bytesRead;
    const onEnd = (): void => {
      release();
      if (isSilent()) dropFree(agent, this.names.get(socket) ?? '');
    };
    const timer =
      use?.silentMs === undefined
        ? undefined
        : setTimeout(() => {
            if (isSilent()) socket.destroy(new SilentConnectionError());
          }, use.silentMs);
    const release = (): void => {
      clearTimeout(timer);
      for (const event of ['error', 'close']) socket.removeListener(event, onEnd);
      socket.removeListener('free', release);
    };
    // Before Node's own listeners, which fail the request, after which it may be sent again.
    for (const event of ['error', 'close']) socket.prependListener(event, onEnd);
    socket.prependListener('free', release);
  }
}

/** A dropped connection may swallow what is sent instead of answering with a reset. */
class SilentConnectionError extends Error {
  readonly code = 'ECONNRESET';

  constructor() {
    super('no data on the reused connection');
    this.name = 'SilentConnectionError';
  }
}

function targetOf({ host, port }: ConnectionOptions): string {
  const name = host ?? 'localhost';
  return `${isIPv6(name) ? `[${name}]` : name}:${String(port ?? '')}`;
}

function secureOrDestroy(raw: Socket, secure: () => Socket): Socket {
  try {
    return secure();
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

/** Closes the idle connections that an agent keeps under a name. */
export function dropFree(agent: HttpAgent, name: string): void {
  for (const socket of [...(agent.freeSockets[name] ?? [])]) socket.destroy();
}
