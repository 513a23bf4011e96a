import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';

import { type ConnectionUse, withUse } from '../runtime/connection-use.js';
import { beforeFirstByte } from '../runtime/before-first-byte.js';
import type { WipedBytes } from '../runtime/wiped-bytes.js';

/** Replaces Node's `http` and `https` for Axios. */
export interface RequestModule {
  /** Whether a request was made; otherwise the caller wipes the body. */
  began: boolean;
  /** `host:port` of the proxy that the request was handed to over plain HTTP. */
  proxy?: string | undefined;
  request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest;
}

/** The hooks of a request between Axios and Node. */
export interface RequestWatch {
  /**
   * Called when the connection is established, right before the first byte is sent; an error that it throws ends the
   * request.
   */
  readonly beforeSend?: (() => void) | undefined;
  /** How long a reused connection may stay silent before it counts as lost, in milliseconds. */
  readonly silentMs?: number | undefined;
  /** The body, wiped when the request has been sent or has failed. */
  readonly sent?: WipedBytes | undefined;
  /** Collects the parts of the answer's body; the caller wipes them. */
  readonly received?: WipedBytes | undefined;
}

/**
 * Requests that call `beforeSend` when their connection is established, right before the first byte is sent: a
 * request may have waited for a connection while the process was frozen. If `beforeSend` throws, the request ends
 * unsent.
 */
export function fencedRequests(
  secure: boolean,
  { beforeSend, silentMs, sent, received }: RequestWatch,
): RequestModule {
  const module: RequestModule = {
    began: false,
    request: (options, onResponse) => {
      module.began = true;
      const use: ConnectionUse = { reused: false, ...(silentMs === undefined ? {} : { silentMs }) };
      const outgoing = (secure ? httpsRequest : httpRequest)(withUse(options, use), (response) => {
        onResponse(response);
        response.on('data', (part: Buffer) => received?.add(part));
      });
      module.proxy = use.proxy;
      outgoing.once('close', () => sent?.wipe());
      if (beforeSend !== undefined) beforeFirstByte(outgoing, beforeSend);
      return outgoing;
    },
  };
  return module;
}
