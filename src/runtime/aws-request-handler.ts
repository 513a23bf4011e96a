import { NodeHttpHandler } from '@smithy/node-http-handler';

import type { AwsConfig } from '../config/config.js';
import type { AgentFactory } from './agents.js';
import { type ConnectionUse, connectionUse } from './connector.js';
import { ProxyError } from './proxy-tunnel.js';

/** Connects take up to 10 s, as everywhere; the SDK's own limit must not come before. */
const CONNECT_TIMEOUT_MS = 11_000;

/** KMS and STS answer in milliseconds. */
const SILENT_MS = 3_000;

/** What a proxy answers in the place of AWS; AWS's own answers are JSON or XML. */
const OF_PROXY: ReadonlySet<number> = new Set([403, 502, 503, 504]);
const OF_AWS = /^(application|text)\/(json|xml|x-amz-json|x-amz-cbor)/;

type Handle = NodeHttpHandler['handle'];

/**
 * The HTTP side of the AWS SDK's clients, over our connections. A kept connection that turns out to be
 * closed, or silent, before an answer begins costs one more send at once, on a fresh one, and none of the SDK's
 * attempts with their pauses: Decrypt, AssumeRole and the like change nothing.
 */
export class AwsRequestHandler extends NodeHttpHandler {
  private readonly signals = new WeakMap<object, AbortSignal>();
  private readonly silentMs: number;
  private readonly onLost: (request: object, error: unknown) => void;

  constructor(options: {
    readonly agents: AgentFactory;
    readonly maxSockets: number;
    readonly aws: Pick<AwsConfig, 'caBundle'>;
    readonly requestTimeoutMs: number;
    /** How long a kept connection may say nothing before a fresh one is tried, in milliseconds. */
    readonly silentMs?: number;
    /** Told of each send that was lost on a kept connection, before the next one. */
    readonly onLost?: (request: object, error: unknown) => void;
  }) {
    super({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs,
      throwOnRequestTimeout: true,
      ...options.agents.forAws(options.maxSockets, options.aws),
    });
    this.silentMs = options.silentMs ?? SILENT_MS;
    this.onLost = options.onLost ?? (() => undefined);
  }

  /** Gives a request up when `signal` aborts, where its sender can pass no options. */
  abortWith(request: object, signal: AbortSignal): void {
    this.signals.set(request, signal);
  }

  override async handle(...[request, given]: Parameters<Handle>): ReturnType<Handle> {
    const abortSignal = given?.abortSignal ?? this.signals.get(request);
    const options = abortSignal === undefined ? given : { ...given, abortSignal };
    const use: ConnectionUse = { reused: false, silentMs: this.silentMs };
    try {
      return ofAws(await connectionUse.run(use, () => super.handle(request, options)), use);
    } catch (error) {
      const { code } = error as { code?: unknown };
      const isReset = code === 'ECONNRESET' || code === 'EPIPE';
      if (!use.reused || !isReset || options?.abortSignal?.aborted === true) throw error;
      this.onLost(request, error);
      const again: ConnectionUse = { reused: false };
      return ofAws(await connectionUse.run(again, () => super.handle(request, options)), again);
    }
  }
}

/**
 * @returns the answer, if it is one of AWS.
 * @throws ProxyError for that of a proxy to a request over plain HTTP: the SDK would find neither name nor sense in it.
 */
function ofAws(answer: Awaited<ReturnType<Handle>>, { proxy }: ConnectionUse): Awaited<ReturnType<Handle>> {
  if (proxy === undefined) return answer;
  const { statusCode, headers } = answer.response;
  const body: unknown = answer.response.body;
  const isForeign = !OF_AWS.test(headers['content-type'] ?? '');
  if (statusCode !== 407 && !(OF_PROXY.has(statusCode) && isForeign)) return answer;
  (body as { resume?: () => void } | undefined)?.resume?.();
  throw ProxyError.answering(proxy, statusCode);
}
