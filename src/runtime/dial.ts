import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';

import { onAbort } from './abort.js';

/**
 * How long one address is tried alone before the next one is tried beside it: the connection attempt
 * delay that RFC 8305, section 5, recommends.
 */
const ATTEMPT_DELAY_MS = 250;

/** Errors about the routes of this machine rather than about the peer. */
const NO_ROUTE: ReadonlySet<string | undefined> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL']);

/** The connection was not established in time; includes name look-up, TCP, the tunnel of a proxy and TLS. */
export class ConnectTimeoutError extends Error {
  readonly code = 'CONNECT_TIMEOUT';

  constructor() {
    super('the connection was not established in time');
    this.name = 'ConnectTimeoutError';
  }
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** The first idle time after which TCP asks whether the peer is still there, in milliseconds. */
  readonly keepAliveMs: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  /** Instead of the system's resolver. */
  readonly lookup?: LookupFunction;
}

/**
 * Opens a TCP connection to whichever address of a host answers first ("happy eyeballs", RFC 8305).
 * Node cancels the attempt for each address after 250 ms, so that with several addresses a slow peer is never reached.
 * Here an attempt continues while the next one starts.
 *
 * @throws the error of the look-up, of an attempt when all have failed, or `signal`'s reason.
 */
export async function dial(options: DialOptions): Promise<Socket> {
  const addresses = await resolveAll(options);
  return await new Promise((resolve, reject) => {
    const pending = new Set<Socket>();
    const failures: NodeJS.ErrnoException[] = [];
    const left = [...addresses];
    let timer: NodeJS.Timeout | undefined;
    const finish = (complete: () => void): void => {
      clearTimeout(timer);
      stopListening();
      for (const socket of pending) socket.destroy();
      complete();
    };
    let stopListening = (): void => undefined;
    const next = (): void => {
      clearTimeout(timer);
      const address = left.shift();
      if (address === undefined) return;
      if (left.length > 0) timer = setTimeout(next, ATTEMPT_DELAY_MS);
      const socket = connect({
        host: address,
        port: options.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: options.keepAliveMs,
      });
      pending.add(socket);
      const onError = (error: NodeJS.ErrnoException): void => {
        pending.delete(socket);
        failures.push(error);
        if (left.length > 0) next();
        else if (pending.size === 0) {
          finish(() => {
            reject(failures.find(({ code }) => !NO_ROUTE.has(code)) ?? error);
          });
        }
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.removeListener('error', onError);
        pending.delete(socket);
        finish(() => {
          resolve(socket);
        });
      });
    };
    stopListening = onAbort(options.signal, () => {
      finish(() => {
        reject(options.signal.reason as Error);
      });
    });
    if (!options.signal.aborted) next();
  });
}

/** The addresses in the order in which they are tried: the resolver's, with the families in turn. */
async function resolveAll({ host, lookup = systemLookup, signal }: DialOptions): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await new Promise<LookupAddress[]>((resolve, reject) => {
    const stopListening = onAbort(signal, () => {
      reject(signal.reason as Error);
    });
    lookup(host, { all: true }, (error, addresses) => {
      stopListening();
      if (error !== null) reject(error);
      else if (typeof addresses === 'string') resolve([{ address: addresses, family: isIP(addresses) }]);
      else resolve(addresses);
    });
  });
  const first = found.filter(({ family }) => family === found[0]?.family);
  const second = found.filter(({ family }) => family !== found[0]?.family);
  return Array.from({ length: Math.max(first.length, second.length) }, (_, index) => [
    first[index],
    second[index],
  ])
    .flat()
    .flatMap((entry) => (entry === undefined ? [] : [entry.address]));
}
