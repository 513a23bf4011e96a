import { AsyncResource } from 'node:async_hooks';

import type { VaultConfig } from '../config/config.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { WriteGateClosedError, type WriteGate } from '../runtime/write-gate.js';
import { isJsonObject } from './raw-json.js';
import { isRedirect, redirectTarget } from './redirect.js';
import { RateLimiter } from './rate-limiter.js';
import { TimeLimit } from './time-limit.js';
import { VaultError } from './vault-error.js';
import { isWorthAnotherAttempt, networkCode, networkFailure, serverFailure } from './vault-failures.js';
import type { VaultRequest, VaultRequests, VaultResponse } from './vault-request.js';
import type { RawResponse, VaultTransport } from './vault-transport.js';

/** Waits between attempts, as the official client's (`retryablehttp`, 1 to 1.5 s), begun lower. */
const RETRY = { baseMs: 500, capMs: 1_500 };
/** Longer waits are the queue's business: a worker is not held for them. */
const MAX_INLINE_WAIT_MS = 5_000;

/** A failed exchange, and whether the next attempt may go better. */
interface Failed {
  readonly error: VaultError;
  readonly again: boolean;
}

/** What is left of `VAULT_CLIENT_TIMEOUT`, which bounds all attempts together, as in the official client. */
interface Budget {
  leftMs: number;
}

/**
 * Requests to Vault with the settings of the official client: namespaces, extra headers, rate limit,
 * retries, one redirect. Every failure becomes a {@link VaultError} built from status, operation and
 * path; no answer of Vault and no request is part of it.
 */
export class VaultClient implements VaultRequests {
  private readonly limiter: RateLimiter | undefined;

  constructor(
    private readonly deps: {
      readonly config: VaultConfig;
      readonly transport: Pick<VaultTransport, 'send'>;
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
   * @throws VaultError `unavailable`, or `rejected` for a path that must not be sent;
   *   WriteGateClosedError or StaleCacheError when the request changes something and the gate is closed;
   *   whatever the request's guard throws.
   */
  async request(request: VaultRequest): Promise<VaultResponse> {
    const { config, clock, stopping } = this.deps;
    const url = this.urlOf(request.path);
    const budget: Budget = { leftMs: config.timeoutMs };
    for (let attempt = 0; ; attempt += 1) {
      const result = await this.attempt(request, url, budget);
      if (!('error' in result)) return result;
      const waitMs = Math.max(backoffMs(attempt, RETRY), result.error.retryAfterMs ?? 0);
      const abandoned = stopping?.aborted === true || request.signal?.aborted === true;
      const tooLong = waitMs > MAX_INLINE_WAIT_MS || waitMs >= budget.leftMs;
      if (!result.again || attempt >= config.maxRetries || tooLong || abandoned) throw result.error;
      await sleep(clock, waitMs, request.signal);
      budget.leftMs -= waitMs;
    }
  }

  private async attempt(request: VaultRequest, url: string, budget: Budget): Promise<VaultResponse | Failed> {
    const first = await this.exchange(request, url, budget);
    if ('error' in first) return first;
    if (!isRedirect(first)) return judge(request, first);
    const target = redirectTarget(first, url, this.deps.config.disableRedirects);
    if ('problem' in target) return redirectFailure(request, first, target.problem);
    const second = await this.exchange(request, target.url, budget);
    if ('error' in second) return second;
    if (isRedirect(second)) {
      return redirectFailure(request, second, 'more than once: point VAULT_ADDR at the active node');
    }
    return judge(request, second);
  }

  private async exchange(request: VaultRequest, url: string, budget: Budget): Promise<RawResponse | Failed> {
    const { transport, gate, metrics, clock } = this.deps;
    await this.limiter?.take(request.signal);
    const { guard } = request;
    if (request.mutates === true) gate.assertOpen();
    guard?.();
    const startMs = clock.monotonicMs();
    const gateSignal = request.mutates === true ? gate.signal : undefined;
    const limit = new TimeLimit(clock, Math.max(1, budget.leftMs), [request.signal, gateSignal]);
    const stopTimer = metrics.vaultRequestDuration.startTimer();
    let refusal: Error | undefined;
    // The events of a shared connection run in the context of whoever opened it.
    const beforeSend = AsyncResource.bind((): void => {
      try {
        gate.assertOpen();
        guard?.();
      } catch (error) {
        refusal = error as Error;
        throw error;
      }
    });
    try {
      const response = await transport.send({
        method: request.method,
        url,
        headers: this.headers(request),
        body: request.body,
        signal: limit.signal,
        ...(request.mutates === true ? { beforeSend } : {}),
      });
      metrics.vaultRequests.inc({ operation: request.operation, code: String(response.status) });
      return response;
    } catch (error) {
      // It was not sent.
      if (refusal !== undefined) throw refusal;
      const code = limit.isOver ? 'ETIMEDOUT' : networkCode(error);
      metrics.vaultRequests.inc({ operation: request.operation, code });
      if (gateSignal?.aborted === true) throw new WriteGateClosedError();
      if (error instanceof VaultError) return { error, again: false };
      return { error: networkFailure(code, request.operation), again: isWorthAnotherAttempt(code) };
    } finally {
      limit.end();
      stopTimer();
      budget.leftMs -= clock.monotonicMs() - startMs;
    }
  }

  private headers({ token, body }: VaultRequest): Record<string, string> {
    const { namespace, headers } = this.deps.config;
    return {
      ...headers,
      // Asked for by Vault Agent and required of API clients by hardened installations.
      'X-Vault-Request': 'true',
      ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
      // An empty one is added by a Vault Agent on the way.
      ...(token === undefined || token === '' ? {} : { 'X-Vault-Token': token }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    };
  }

  /** The last guard before the wire: no path climbs out of its mount, whoever made it. */
  private urlOf(path: string): string {
    const segments = path.split('/');
    const isSound = segments.every((segment) => !['', '.', '..'].includes(segment));
    try {
      if (isSound) return `${this.deps.config.address}/v1/${segments.map(encodeURIComponent).join('/')}`;
    } catch {
      // A lone surrogate cannot be escaped; it is refused below.
    }
    throw new VaultError('rejected', 'the path is not one that may be sent to Vault');
  }
}

/** Every answer of Vault is a JSON object, or empty with 204; others come from something in between. */
function judge(request: VaultRequest, { status, text, headers }: RawResponse): VaultResponse | Failed {
  const { operation } = request;
  if (status >= 500 || status === 429 || status === 412) {
    return { error: serverFailure(status, headers, operation, text), again: status !== 501 };
  }
  if (status === 204 || isJsonObject(text)) return { status, text };
  const message = `HTTP ${String(status)} came from something that is not Vault: check VAULT_ADDR and what lies in between`;
  return { error: new VaultError('unavailable', message, { status, operation }), again: false };
}

function redirectFailure({ operation }: VaultRequest, { status }: RawResponse, problem: string): Failed {
  const message = `Vault redirected (HTTP ${String(status)}) ${problem}`;
  return { error: new VaultError('unavailable', message, { status, operation }), again: false };
}
