import { Agent, request as httpRequest } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect, type SecureContext, type TLSSocket } from 'node:tls';

import { onAbort } from './abort.js';
import { dial, type DialOptions } from './dial.js';
import { withoutFinalDot } from './host-name.js';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** The proxy cannot be reached or opens no tunnel. Holds its host and port, never its credentials. */
export class ProxyError extends Error {
  constructor(
    /** `host:port` of the proxy. */
    readonly proxy: string,
    /** `PROXY_407` for an answer, else the code of the network error. */
    readonly code: string,
    /** What the proxy answered to CONNECT, if it did. */
    readonly status: number | undefined,
    message?: string,
  ) {
    super(
      message ??
        (status === undefined
          ? `the proxy ${proxy} cannot be reached (${code})`
          : `the proxy ${proxy} refused the connection (HTTP ${String(status)}${HINTS[status] ?? ''})`),
    );
    this.name = 'ProxyError';
  }

  /**
   * For an answer to a request over plain HTTP that a proxy should have passed on, when the answer does not look like
   * one of the peer. Only 407 certainly comes from a proxy (RFC 9110, 15.5.8).
   */
  static answering(proxy: string, status: number): ProxyError {
    const shown = `HTTP ${String(status)}`;
    const message =
      status === 407
        ? `the proxy ${proxy} refused the request (${shown}${HINTS[status] ?? ''})`
        : `the proxy ${proxy}, or something behind it, answered ${shown}`;
    return new ProxyError(proxy, `PROXY_${String(status)}`, status, message);
  }
}

const HINTS: Readonly<Record<number, string>> = {
  403: ': it does not allow this host and port',
  407: ': it requires credentials, or rejected those that it got',
};

/** The proxy failure that an error is, or that is among its causes; clients wrap the errors of their agents. */
export function proxyErrorOf(error: unknown): ProxyError | undefined {
  let current = error;
  for (let depth = 0; depth < 4 && typeof current === 'object' && current !== null; depth += 1) {
    if (current instanceof ProxyError) return current;
    current = (current as { cause?: unknown }).cause;
  }
  return undefined;
}

export interface TunnelOptions extends Omit<DialOptions, 'host' | 'port'> {
  readonly proxy: URL;
  /** `host:port` of the destination. */
  readonly target: string;
  /** The roots that verify a proxy that speaks TLS. */
  readonly context: SecureContext | undefined;
}

/**
 * Opens a tunnel with CONNECT (RFC 9110, 9.3.6). A refusal of the proxy is an error of its own and never looks like an
 * answer of the peer.
 *
 * @throws ProxyError
 */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const socket = await openToProxy(options);
  try {
    return await established(socket, nameOf(options.proxy), options);
  } catch (error) {
    socket.destroy();
    throw asProxyError(error, options);
  }
}

/**
 * Opens a connection to the proxy itself, for requests that name their whole URL.
 *
 * @throws ProxyError
 */
export async function openToProxy(options: Omit<TunnelOptions, 'target'>): Promise<Socket> {
  const { proxy } = options;
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  try {
    const plain = await dial({ ...options, host, port: portOf(proxy) });
    return proxy.protocol === 'https:' ? await secured(plain, host, options) : plain;
  } catch (error) {
    throw asProxyError(error, options);
  }
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (DEFAULT_PORTS[protocol] ?? 80) : Number(port);
}

/** `host:port` */
export function nameOf(proxy: URL): string {
  return `${proxy.hostname}:${String(portOf(proxy))}`;
}

function asProxyError(
  error: unknown,
  { proxy, signal }: Pick<TunnelOptions, 'proxy' | 'signal'>,
): ProxyError {
  if (error instanceof ProxyError) return error;
  const code = signal.aborted ? 'CONNECT_TIMEOUT' : (error as NodeJS.ErrnoException).code;
  return new ProxyError(nameOf(proxy), code ?? 'ECONNRESET', undefined);
}

function secured(
  plain: Socket,
  host: string,
  { context, signal }: Pick<TunnelOptions, 'context' | 'signal'>,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({
      socket: plain,
      ...(context === undefined ? {} : { secureContext: context }),
      host,
      ...(isIP(host) === 0 ? { servername: withoutFinalDot(host) } : {}),
    });
    const end = endWith(signal, socket);
    socket.once('error', reject);
    socket.once('close', end);
    socket.once('secureConnect', () => {
      end();
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}

function established(through: Socket, name: string, options: TunnelOptions): Promise<Socket> {
  const { proxy, target, signal } = options;
  const credentials = proxyAuthorization(proxy);
  const end = endWith(signal, through);
  const agent = new Agent();
  agent.createConnection = () => through;
  return new Promise<Socket>((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...(credentials === undefined ? {} : { 'proxy-authorization': credentials }) },
      agent,
    });
    const refuse = (status: number | undefined): void => {
      through.destroy();
      reject(new ProxyError(name, `PROXY_${String(status ?? 0)}`, status ?? 0));
    };
    request.once('connect', ({ statusCode = 0 }, socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        refuse(statusCode);
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.once('response', ({ statusCode }) => {
      refuse(statusCode);
    });
    request.once('error', reject);
    request.end();
  }).finally(end);
}

function endWith(signal: AbortSignal, socket: Socket): () => void {
  return onAbort(signal, () => {
    socket.destroy(signal.reason as Error);
  });
}

/** `Proxy-Authorization` (RFC 7617) for the URL of a proxy with a user name, whose escapes must be valid. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
