import type { IncomingMessage } from 'node:http';

import { inject, injectable } from 'tsyringe';

import type { Clock } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { openGate, type WriteGate, WriteGateClosedError } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { ApiConnection } from './api-connection.js';
import { AnswerTooLargeError, KubeError, NoAnswerError } from './kube-error.js';
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
  /** Instead of `timeoutMs`: the longest wait for the next bytes; the whole answer may take longer. */
  readonly inactivityMs?: number;
  /** Larger answers are refused; the client's default when absent. */
  readonly maxAnswerBytes?: number;
}

export const MERGE_PATCH = 'application/merge-patch+json';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** Limits of one exchange with the API server. */
export interface KubeLimits {
  /** For one whole exchange, body included. */
  readonly timeoutMs?: number;
  /** Larger answers are refused; a page of a list is far smaller. */
  readonly maxAnswerBytes?: number;
}

/** One request to the API server, one answer. */
@injectable()
export class KubeClient {
  private readonly timeoutMs: number;
  private readonly maxAnswerBytes: number;

  constructor(
    @inject(TOKENS.connection) private readonly connection: ApiConnection,
    @inject(TOKENS.gate) private readonly gate: WriteGate,
    @inject(TOKENS.clock) private readonly clock: Clock,
    /** When the grace period is over, every request in flight is aborted. */
    @inject(TOKENS.lifecycle, { isOptional: true }) private readonly lifecycle?: Pick<Lifecycle, 'givingUp'>,
    @inject(TOKENS.kubeLimits, { isOptional: true }) limits: KubeLimits = {},
  ) {
    this.timeoutMs = limits.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.maxAnswerBytes = limits.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES;
  }

  /**
   * @param path absolute below the server's URL, without a query; names in it must be encoded already.
   * @returns the parsed body of a 2xx answer; undefined when it is not JSON.
   * @throws KubeError for every other answer and when `signal` aborts; NoAnswerError for none within the
   *   timeout; AnswerTooLargeError.
   * @throws WriteGateClosedError when the verb changes something and the gate is closed.
   */
  async request(verb: KubeVerb, path: string, options: KubeRequestOptions = {}): Promise<unknown> {
    const { gate, connection } = this;
    const operation = `${verb} ${path}`;
    const changes = verb !== 'GET';
    const assertOpen = (): void => {
      if (changes) gate.assertOpen();
    };
    assertOpen();
    const limits = this.limit(operation, options, changes ? gate.signal : undefined);
    const { query, body, contentType } = options;
    try {
      const response = await connection.open({
        method: verb,
        path,
        signal: limits.signal,
        beforeSend: assertOpen,
        ...(query !== undefined ? { query } : {}),
        ...(body !== undefined ? { body: JSON.stringify(body) } : {}),
        ...(contentType !== undefined ? { contentType } : {}),
      });
      const maxBytes = options.maxAnswerBytes ?? this.maxAnswerBytes;
      const text = await readAnswer(operation, response, limits.signal, maxBytes, limits.progress);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return parseJson(text);
      throw errorOfAnswer(operation, status, response.headers, text, this.clock.now(), response.proxy);
    } finally {
      limits.release();
    }
  }

  /** One signal for everything that ends an exchange: timeout, caller and gate. */
  private limit(
    operation: string,
    options: KubeRequestOptions,
    gateSignal: AbortSignal | undefined,
  ): { readonly signal: AbortSignal; readonly progress: () => void; readonly release: () => void } {
    const { clock, connection } = this;
    const limits = new LinkedAbort();
    const timeoutMs = options.inactivityMs ?? options.timeoutMs ?? this.timeoutMs;
    const setTimer = (): void => {
      limits.expireIn(clock, timeoutMs, () => {
        // If one connection stalls, the network path to the server is probably gone.
        connection.dropIdle();
        const message = `${operation}: no response from the API server within ${String(timeoutMs)} ms`;
        return new NoAnswerError(message, undefined);
      });
    };
    setTimer();
    limits.follow(options.signal, () => new KubeError(`${operation}: cancelled`, undefined));
    limits.follow(
      this.lifecycle?.givingUp,
      () => new KubeError(`${operation}: cancelled because the operator is shutting down`, undefined),
    );
    limits.follow(gateSignal, () => new WriteGateClosedError());
    return {
      signal: limits.signal,
      progress: () => {
        if (options.inactivityMs !== undefined) setTimer();
      },
      release: () => {
        limits.dispose();
      },
    };
  }
}

/** For the lease itself, which is written while the write gate is closed. */
@injectable()
export class UngatedKubeClient extends KubeClient {
  constructor(@inject(TOKENS.connection) connection: ApiConnection, @inject(TOKENS.clock) clock: Clock) {
    super(connection, openGate, clock);
  }
}

/** @throws KubeError when the body is incomplete; AnswerTooLargeError when it is larger than `maxBytes`. */
export async function readAnswer(
  operation: string,
  response: IncomingMessage,
  signal: AbortSignal,
  maxBytes: number,
  onProgress: () => void = () => undefined,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      onProgress();
      if (size > maxBytes) break;
      chunks.push(chunk);
    }
  } catch {
    if (signal.aborted && signal.reason instanceof Error) throw signal.reason;
    throw new KubeError(`${operation}: the API server's response was cut off`, undefined);
  }
  if (size > maxBytes) {
    throw new AnswerTooLargeError(
      `${operation}: the API server's response is larger than ${String(maxBytes)} bytes`,
      undefined,
    );
  }
  return Buffer.concat(chunks).toString('utf8');
}
