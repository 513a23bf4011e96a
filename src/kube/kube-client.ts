import type { IncomingMessage } from 'node:http';

import type { Clock } from '../runtime/clock.js';
import type { WriteGate } from '../runtime/write-gate.js';
import { WriteGateClosedError } from '../runtime/write-gate.js';
import type { ApiConnection } from './api-connection.js';
import { KubeError } from './kube-error.js';
import { errorOfAnswer, parseJson } from './status-body.js';

export type KubeVerb = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface KubeRequestOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/merge-patch+json` and the like; JSON when absent. */
  readonly contentType?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** For the whole exchange; the client's default when absent. */
  readonly timeoutMs?: number;
}

export interface KubeClientOptions {
  readonly connection: ApiConnection;
  readonly gate: WriteGate;
  readonly clock: Clock;
  /** For one whole exchange, body included. */
  readonly timeoutMs?: number;
  /** Larger answers are refused; a page of a list is far below. */
  readonly maxAnswerBytes?: number;
}

export const MERGE_PATCH = 'application/merge-patch+json';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** One request to the API server, one answer. */
export class KubeClient {
  private readonly timeoutMs: number;
  private readonly maxAnswerBytes: number;

  constructor(private readonly options: KubeClientOptions) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.maxAnswerBytes = options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  }

  /**
   * @param path absolute below the server's URL, without a query; names in it must be encoded already.
   * @returns the parsed body of a 2xx answer; undefined when it is not JSON.
   * @throws KubeError for every other answer, for none within the timeout, and when `signal` aborts.
   * @throws WriteGateClosedError when the verb changes something and the gate is closed.
   */
  async request(verb: KubeVerb, path: string, options: KubeRequestOptions = {}): Promise<unknown> {
    const { connection, gate, clock } = this.options;
    const operation = `${verb} ${path}`;
    const changes = verb !== 'GET';
    if (changes) gate.assertOpen();

    const abort = new AbortController();
    const giveUp = (reason: Error) => (): void => {
      abort.abort(reason);
    };
    const onSignal = giveUp(new KubeError(`${operation}: given up`, undefined));
    const onGate = giveUp(new WriteGateClosedError());
    const timeoutMs = options.timeoutMs ?? this.timeoutMs;
    const timeout = new KubeError(
      `${operation}: no answer from the API server within ${String(timeoutMs)} ms`,
      undefined,
    );
    const cancelTimer = clock.setTimer(timeoutMs, () => {
      abort.abort(timeout);
      // A stall of one connection mostly means that the path to the server is gone.
      connection.dropIdle();
    });
    const gateSignal = changes ? gate.signal : undefined;
    options.signal?.addEventListener('abort', onSignal, { once: true });
    gateSignal?.addEventListener('abort', onGate, { once: true });
    if (options.signal?.aborted === true) onSignal();
    if (gateSignal?.aborted === true) onGate();
    try {
      const response = await connection.open({
        method: verb,
        path,
        signal: abort.signal,
        ...(options.query !== undefined ? { query: options.query } : {}),
        ...(options.body !== undefined ? { body: JSON.stringify(options.body) } : {}),
        ...(options.contentType !== undefined ? { contentType: options.contentType } : {}),
        ...(changes
          ? {
              beforeSend: () => {
                gate.assertOpen();
              },
            }
          : {}),
      });
      return await this.answer(operation, response, abort.signal);
    } finally {
      cancelTimer();
      options.signal?.removeEventListener('abort', onSignal);
      gateSignal?.removeEventListener('abort', onGate);
    }
  }

  private async answer(operation: string, response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
    const status = response.statusCode ?? 0;
    const text = await readAnswer(operation, response, signal, this.maxAnswerBytes);
    if (status >= 200 && status < 300) return parseJson(text);
    throw errorOfAnswer(operation, status, response.headers, text, this.options.clock.now());
  }
}

/** @throws KubeError when the body breaks off or is larger than `maxBytes`. */
export async function readAnswer(
  operation: string,
  response: IncomingMessage,
  signal: AbortSignal,
  maxBytes: number,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) break;
      chunks.push(chunk);
    }
  } catch {
    if (signal.aborted && signal.reason instanceof Error) throw signal.reason;
    throw new KubeError(`${operation}: the API server's answer broke off`, undefined);
  }
  if (size > maxBytes) {
    throw new KubeError(
      `${operation}: the API server's answer is larger than ${String(maxBytes)} bytes`,
      undefined,
    );
  }
  return Buffer.concat(chunks).toString('utf8');
}
