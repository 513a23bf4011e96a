import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';

/** What Axios calls instead of Node's `http` and `https`. */
export interface RequestModule {
  request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest;
}

/**
 * Requests that ask `beforeSend` when their connection stands, right before the first byte is sent: a
 * request may have waited for a connection while the process was frozen. What it throws ends the
 * request unsent.
 */
export function fencedRequests(secure: boolean, beforeSend: () => void): RequestModule {
  return {
    request: (options, onResponse) => {
      const outgoing = (secure ? httpsRequest : httpRequest)(options, onResponse);
      const check = (): void => {
        try {
          beforeSend();
        } catch (error) {
          outgoing.destroy(error instanceof Error ? error : new Error('the request may not be sent'));
        }
      };
      // Before Node's own listener, which flushes what was written meanwhile.
      outgoing.once('socket', (socket: Socket & { encrypted?: boolean; secureConnecting?: boolean }) => {
        if (socket.encrypted === true && socket.secureConnecting === true)
          socket.prependOnceListener('secureConnect', check);
        else if (socket.connecting) socket.prependOnceListener('connect', check);
        else check();
      });
      return outgoing;
    },
  };
}
