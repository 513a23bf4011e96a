import { Agent as HttpAgent, type ClientRequest } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';

import { keepConnectionOptions } from './connection-options.js';
import { takeUse, useOf } from './connection-use.js';
import { type ConnectionOptions, type Connector, MATERIAL } from './connector.js';
import { ConnectTimeoutError } from './dial.js';
import { withoutFinalDot } from './host-name.js';
import { nameOf, proxyAuthorization } from './proxy-tunnel.js';

type HttpsGetName = Parameters<HttpsAgent['getName']>[0];
type ConnectionCallback = (error: Error | null, stream: Duplex) => void;

/** Keeps connections over plain HTTP. */
export class PooledHttpAgent extends HttpAgent {
  constructor(
    options: AgentOptions,
    private readonly connector: Connector,
  ) {
    super(options);
  }

  addRequest(request: ClientRequest, options: ConnectionOptions): void {
    takeUse(request, options);
    const proxy = this.connector.proxyOf(options);
    if (proxy !== undefined) nameWholeUrl(request, proxy);
    addRequestOf(HttpAgent).call(this, request, options);
  }

  override createConnection(options: ConnectionOptions, callback?: ConnectionCallback): undefined {
    openCounted(this, this.connector, options, callback);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return this.connector.idle(socket, super.keepSocketAlive(socket));
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.connector.reuse(this, socket, request);
    super.reuseSocket(socket, request);
  }
}

/** Keeps connections over TLS. */
export class PooledHttpsAgent extends HttpsAgent {
  constructor(
    options: AgentOptions,
    private readonly connector: Connector,
  ) {
    super(options);
  }

  addRequest(request: ClientRequest, options: ConnectionOptions): void {
    takeUse(request, options);
    addRequestOf(HttpsAgent).call(this, request, { ...options, [MATERIAL]: this.connector.material() });
  }

  /** Under which connections are kept and TLS sessions resumed. */
  override getName(options?: HttpsGetName): string {
    const { [MATERIAL]: material = '' } = (options ?? {}) as { readonly [MATERIAL]?: number };
    return `${super.getName(options)}:${String(material)}`;
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
    this.connector.reuse(this, socket, request);
    super.reuseSocket(socket, request);
  }
}

type AddRequest = (this: HttpAgent, request: ClientRequest, options: ConnectionOptions) => void;

/** What an agent calls for each request; Node's types leave it out. */
function addRequestOf(agent: { readonly prototype: object }): AddRequest {
  return (agent.prototype as { addRequest: AddRequest }).addRequest;
}

/**
 * A request over plain HTTP goes to the proxy itself, with its whole URL (RFC 9112, 3.2.2), as from Go and curl:
 * many proxies open tunnels to port 443 alone.
 */
function nameWholeUrl(request: ClientRequest, proxy: URL): void {
  // A queued request is added twice.
  if (!request.path.startsWith('/')) return;
  const use = useOf(request);
  if (use !== undefined) use.proxy = nameOf(proxy);
  request.path = `http://${String(request.getHeader('host'))}${request.path}`;
  const credentials = proxyAuthorization(proxy);
  if (credentials !== undefined) request.setHeader('proxy-authorization', credentials);
}

/** What an agent of Node keeps, and the key under which it keeps a connection. */
interface AgentInternals {
  readonly sockets: Record<string, Socket[] | undefined>;
  readonly requests: Record<string, ClientRequest[] | undefined>;
  addRequest(request: ClientRequest, options: ConnectionOptions): void;
}

/**
 * Node counts a connection against `maxSockets` only when it is established, so that a burst would open any number of
 * them, and it forgets queued requests when a connection fails. A placeholder is counted from the start, and after a
 * failure the next queued request is tried.
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
