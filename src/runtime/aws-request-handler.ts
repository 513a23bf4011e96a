import { type Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https';

import type { HttpHandler, HttpRequest, HttpResponse } from '@smithy/core/protocols';

import type { AwsConfig } from '../config/config.js';
import { onAbort } from './abort.js';
import type { AgentFactory } from './agents.js';
import { type ConnectionUse, withUse } from './connection-use.js';
import { ProxyError } from './proxy-tunnel.js';
import { WipedBytes } from './wiped-bytes.js';

/** KMS and STS answer in milliseconds. */
const SILENT_MS = 3_000;

/** Statuses that a proxy may answer in the place of AWS; the answers of AWS itself are JSON or XML. */
const OF_PROXY: ReadonlySet<number> = new Set([403, 502, 503, 504]);
const OF_AWS = /^(application|text)\/(json|xml|x-amz-json|x-amz-cbor)/;

/** By these codes the SDK knows that a request may be sent again, if the error has this name. */
const TIMEOUT_CODES: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);
const TIMEOUT_NAME = 'TimeoutError';

interface Answer {
  readonly response: HttpResponse & { readonly body: Uint8Array };
}

/**
 * The HTTP side of the AWS SDK's clients, over our connections, with the whole body of an answer in one buffer. It
 * takes half of the time of the SDK's own handler, which sets four timers for each request.
 *
 * If a reused connection turns out to be closed or silent before an answer begins, the request is sent once more on a
 * new connection, immediately and without using up an attempt of the SDK: Decrypt, AssumeRole and the like change
 * nothing.
 */
export class AwsRequestHandler implements HttpHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  private readonly signals = new WeakMap<object, AbortSignal>();
  private readonly agents: { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent };
  private readonly timeoutMs: number;
  private readonly silentMs: number;
  private readonly onLost: (request: object, error: unknown) => void;

  constructor(options: {
    readonly agents: AgentFactory;
    readonly maxSockets: number;
    readonly aws: Pick<AwsConfig, 'caBundle'>;
    /** Limit for one send, from waiting for a connection to the end of the answer, in milliseconds. */
    readonly requestTimeoutMs: number;
    /** How long a reused connection may stay silent before a new one is tried, in milliseconds. */
    readonly silentMs?: number;
    /** Called for each send that was lost on a reused connection, before the next one. */
    readonly onLost?: (request: object, error: unknown) => void;
  }) {
    this.agents = options.agents.forAws(options.maxSockets, options.aws);
    this.timeoutMs = options.requestTimeoutMs;
    this.silentMs = options.silentMs ?? SILENT_MS;
    this.onLost = options.onLost ?? (() => undefined);
  }

  /** Cancels a request when `signal` aborts, for a sender that cannot pass options. */
  abortWith(request: object, signal: AbortSignal): void {
    this.signals.set(request, signal);
  }

  async handle(request: HttpRequest, given: { readonly abortSignal?: unknown } = {}): Promise<Answer> {
    const signal = (given.abortSignal as AbortSignal | undefined) ?? this.signals.get(request);
    const use: ConnectionUse = { reused: false, silentMs: this.silentMs };
    try {
      return ofAws(await this.send(request, use, signal), use);
    } catch (error) {
      const { code } = error as { code?: unknown };
      const isReset = code === 'ECONNRESET' || code === 'EPIPE';
      if (!use.reused || !isReset || signal?.aborted === true) throw error;
      this.onLost(request, error);
      const again: ConnectionUse = { reused: false };
      return ofAws(await this.send(request, again, signal), again);
    }
  }

  destroy(): void {
    this.agents.httpAgent.destroy();
    this.agents.httpsAgent.destroy();
  }

  /** The SDK's interface wants these two; nothing here can be changed afterwards. */
  updateHttpClientConfig(): void {
    return;
  }

  httpHandlerConfigs(): object {
    return {};
  }

  private send(request: HttpRequest, use: ConnectionUse, signal: AbortSignal | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(abortError());
        return;
      }
      const { hostname, port, method, headers } = request;
      const secure = request.protocol === 'https:';
      const agent = secure ? this.agents.httpsAgent : this.agents.httpAgent;
      const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
      const options = { host, port, method, headers, agent, path: request.path + queryOf(request) };
      const outgoing = (secure ? httpsRequest : httpRequest)(withUse(options, use));
      const timer = setTimeout(() => {
        const text = `no answer within ${String(this.timeoutMs)} ms`;
        outgoing.destroy(Object.assign(new Error(text), { code: 'ETIMEDOUT' }));
      }, this.timeoutMs);
      const stop = onAbort(signal, () => {
        outgoing.destroy(abortError());
      });
      const finish = (): void => {
        clearTimeout(timer);
        stop();
      };
      const received = new WipedBytes();
      const fail = (error: Error): void => {
        finish();
        received.wipe();
        const isTimeout = TIMEOUT_CODES.has((error as NodeJS.ErrnoException).code);
        reject(isTimeout ? Object.assign(error, { name: TIMEOUT_NAME }) : error);
      };
      outgoing.on('error', fail);
      outgoing.on('response', (response) => {
        // Whatever happens from now on, an answer has begun.
        use.reused = false;
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => {
          received.add(part);
          parts.push(part);
        });
        response.on('error', fail);
        response.on('end', () => {
          finish();
          resolve({ response: answerOf(response, inOnePiece(parts, received)) });
        });
      });
      outgoing.end(request.body);
    });
  }
}

function queryOf({ query = {} }: HttpRequest): string {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values ?? ''].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** The caller wipes the body that it gets; this wipes the parts that the caller does not see. */
function inOnePiece(parts: readonly Buffer[], received: WipedBytes): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = Buffer.concat(parts);
  received.wipe();
  return whole;
}

function answerOf(response: IncomingMessage, body: Uint8Array): Answer['response'] {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers))
    headers[name] = [value ?? ''].flat().join(',');
  return {
    statusCode: response.statusCode ?? 0,
    headers,
    body,
    ...(response.statusMessage === undefined ? {} : { reason: response.statusMessage }),
  };
}

function abortError(): Error {
  return Object.assign(new Error('Request aborted'), { name: 'AbortError' });
}

/**
 * @returns the answer, if it is one of AWS.
 * @throws ProxyError for the answer of a proxy to a request over plain HTTP, which the SDK could not interpret.
 */
function ofAws(answer: Answer, { proxy }: ConnectionUse): Answer {
  if (proxy === undefined) return answer;
  const { statusCode, headers } = answer.response;
  const isForeign = !OF_AWS.test(headers['content-type'] ?? '');
  if (statusCode !== 407 && !(OF_PROXY.has(statusCode) && isForeign)) return answer;
  throw ProxyError.answering(proxy, statusCode);
}
