import type { ClientRequest } from 'node:http';

/** What a request and its connection need to know of each other. */
export interface ConnectionUse {
  /** Set when the request was given a connection that had been idle. */
  reused: boolean;
  /**
   * How long such a connection may stay silent before it counts as lost and is ended as by a reset, in
   * milliseconds; for requests that may be sent twice.
   */
  readonly silentMs?: number;
  /** Set to the proxy, as `host:port`, that a request over plain HTTP is sent to instead of the peer. */
  proxy?: string;
}

const USE = Symbol('connection use');
const uses = new WeakMap<ClientRequest, ConnectionUse>();

/** The options of a request with its use: agents see the options of a request, but not its caller. */
export function withUse<Options extends object>(options: Options, use: ConnectionUse): Options {
  return { ...options, [USE]: use };
}

/** Called by an agent with each request that it takes. One that waited for a connection may come with foreign options. */
export function takeUse(request: ClientRequest, options: object): void {
  const { [USE]: use } = options as { readonly [USE]?: ConnectionUse };
  if (use !== undefined && !uses.has(request)) uses.set(request, use);
}

export function useOf(request: ClientRequest): ConnectionUse | undefined {
  return uses.get(request);
}

/** Connections keep options for as long as they live, and must not keep what belongs to one request. */
export function dropUse(options: object): void {
  Reflect.deleteProperty(options, USE);
}
