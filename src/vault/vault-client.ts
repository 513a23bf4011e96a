import type { VaultConfig } from '../config/config.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { WriteGateClosedError, type WriteGate } from '../runtime/write-gate.js';
import { networkCode, networkFailure, serverFailure } from './vault-failures.js';
import { RateLimiter } from './rate-limiter.js';
import { VaultError } from './vault-error.js';
import type { VaultRequest, VaultResponse } from './vault-request.js';
import type { RawResponse, VaultTransport } from './vault-transport.js';

/** Waits between attempts, as the official client's (`retryablehttp`, 1 to 1.5 s), begun lower. */
const RETRY = { baseMs: 500, capMs: 1_500 };
/** Longer waits are the queue's business: a worker is not held for them. */
const MAX_INLINE_WAIT_MS = 5_000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/**
 * Requests to Vault with the settings of the official client: namespaces, extra headers, rate limit,
 * retries, one redirect. Every failure becomes a {@link VaultError} built from status, operation and
 * path; no answer of Vault and no request is part of it.
 */
export class VaultClient {
  private readonly limiter: RateLimiter | undefined;

  constructor(
    private readonly deps: {
      readonly config: VaultConfig;
      readonly transport: VaultTransport;
      readonly gate: WriteGate;
      readonly clock: Clock;
      readonly metrics: Pick<OperatorMetrics, 'vaultRequests' | 'vaultRequestDuration'>;
      /** Once aborted, what is in flight gets no further attempts. */
      readonly stopping?: AbortSignal;
    },
  ) {
    const { rateLimit } = deps.config;
    this.limiter = rateLimit === undefined ? undefined : new RateLimiter(rateLimit, deps.clock);
  }

  /**
   * @returns any answer that is no failure of Vault as a whole: 2xx and 4xx but 412 and 429.
   * @throws VaultError `unavailable`; WriteGateClosedError when the request changes something and the
   *   gate is closed.
   */
  async request(request: VaultRequest): Promise<VaultResponse> {
    for (let attempt = 0; ; attempt += 1) {
      const result = await this.attempt(request);
      if (!(result instanceof VaultError)) return result;
      const waitMs = Math.max(backoffMs(attempt, RETRY), result.retryAfterMs ?? 0);
      const abandoned = this.deps.stopping?.aborted === true || request.signal?.aborted === true;
      const last = attempt >= this.deps.config.maxRetries || waitMs > MAX_INLINE_WAIT_MS;
      if (last || abandoned || result.facts.status === 501) throw result;
      await sleep(this.deps.clock, waitMs, request.signal);
    }
  }

  private async attempt(request: VaultRequest): Promise<VaultResponse | VaultError> {
    const first = await this.exchange(request, this.url(request.path));
    if (first instanceof VaultError) return first;
    if (!REDIRECTS.has(first.status)) return judge(request, first);
    const target = this.redirectTarget(request, first);
    if (target instanceof VaultError) return target;
    const second = await this.exchange(request, target);
    if (second instanceof VaultError) return second;
    if (REDIRECTS.has(second.status)) {
      return new VaultError(
        'unavailable',
        'Vault redirected more than once; point VAULT_ADDR at the active node',
        {
          status: second.status,
          operation: request.operation,
        },
      );
    }
    return judge(request, second);
  }

  private async exchange(request: VaultRequest, url: string): Promise<RawResponse | VaultError> {
    const { transport, gate, metrics, config } = this.deps;
    await this.limiter?.take(request.signal);
    const signals = [AbortSignal.timeout(config.timeoutMs)];
    if (request.signal !== undefined) signals.push(request.signal);
    if (request.mutates === true) {
      gate.assertOpen();
      signals.push(gate.signal);
    }
    const stopTimer = metrics.vaultRequestDuration.startTimer();
    try {
      const response = await transport.send({
        method: request.method,
        url,
        headers: this.headers(request),
        body: request.body,
        signal: AbortSignal.any(signals),
      });
      metrics.vaultRequests.inc({ operation: request.operation, code: String(response.status) });
      return response;
    } catch (error) {
      if (request.mutates === true && gate.signal.aborted) throw new WriteGateClosedError();
      metrics.vaultRequests.inc({ operation: request.operation, code: networkCode(error) });
      return networkFailure(error, request.operation);
    } finally {
      stopTimer();
    }
  }

  private headers({ token, body }: VaultRequest): Record<string, string> {
    const { namespace, headers } = this.deps.config;
    return {
      ...headers,
      // Asked for by Vault Agent and required of API clients by hardened installations.
      'X-Vault-Request': 'true',
      ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
      ...(token === undefined ? {} : { 'X-Vault-Token': token }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    };
  }

  private url(path: string): string {
    return `${this.deps.config.address}/v1/${path.split('/').map(encodeURIComponent).join('/')}`;
  }

  /** One hop, as standbys ask for; never from https to http, and never with anything but http(s). */
  private redirectTarget(request: VaultRequest, response: RawResponse): string | VaultError {
    const refuse = (why: string): VaultError =>
      new VaultError('unavailable', `Vault redirected (HTTP ${String(response.status)}), ${why}`, {
        status: response.status,
        operation: request.operation,
      });
    if (this.deps.config.disableRedirects) return refuse('and VAULT_DISABLE_REDIRECTS is set');
    const { location } = response.headers;
    const base = this.deps.config.address;
    if (typeof location !== 'string' || !URL.canParse(location, base))
      return refuse('but named no usable address');
    const target = new URL(location, base);
    if (!['http:', 'https:'].includes(target.protocol)) return refuse('but not to an http or https address');
    if (target.protocol === 'http:' && base.startsWith('https:')) {
      return refuse('from https to http, which would expose the token');
    }
    return target.href;
  }
}

function judge(request: VaultRequest, { status, text, headers }: RawResponse): VaultResponse | VaultError {
  return status >= 500 || status === 429 || status === 412
    ? serverFailure(status, headers, request.operation, text)
    : { status, text };
}
