import { inject, injectable } from 'tsyringe';

import type { VaultConfig } from '../config/config.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { TokenBucket } from '../runtime/token-bucket.js';
import { NAMED_WAIT_LIMITS_MS, VAULT_REQUEST_LIMITS_MS } from '../runtime/wait-limits.js';
import { WriteGateClosedError, type WriteGate } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import { temporaryRefusal } from './temporary-refusal.js';
import { isJsonObject } from './raw-json.js';
import { isRedirect, redirectTarget } from './redirect.js';
import { VaultError } from './vault-error.js';
import {
  isWorthAnotherAttempt,
  networkCode,
  networkFailure,
  proxyAsksForCredentials,
  serverFailure,
} from './vault-failures.js';
import type { VaultOperation, VaultRequest, VaultRequests, VaultResponse } from './vault-request.js';
import type { RawResponse, VaultTransport } from './vault-transport.js';

/** Waits between attempts, like those of the official client (`retryablehttp`, 1 to 1.5 s), but starting lower. */
const RETRY = { baseMs: 500, capMs: 1_500 };

/** The operations that a reconcile in flight still needs during a shutdown; look-ups and logins start something new. */
const FINISHING: ReadonlySet<VaultOperation> = new Set(['read', 'write', 'delete', 'token_revoke']);
/** A standby redirects a write that it did not process, so the redirect is followed. */
const FOLLOWED_TO_THE_END: ReadonlySet<VaultOperation> = new Set(['write', 'delete', 'token_revoke']);

/** A failed exchange, and whether another attempt may succeed. */
interface Failed {
  readonly error: VaultError;
  readonly again: boolean;
}

/** The rest of `VAULT_CLIENT_TIMEOUT`, which limits all attempts together, as in the official client. */
interface Budget {
  leftMs: number;
}

/**
 * Requests to Vault with the settings of the official client: namespaces, extra headers, rate limit,
 * retries, one redirect. Every failure becomes a {@link VaultError} built from status, operation and
 * path; no answer of Vault and no request is part of it.
 */
@injectable()
export class VaultClient implements VaultRequests {
  private readonly rate?: TokenBucket;

  constructor(
    @inject(TOKENS.vaultConfig) private readonly config: VaultConfig,
    @inject(TOKENS.transport) private readonly transport: Pick<VaultTransport, 'send'>,
    @inject(TOKENS.gate) private readonly gate: WriteGate,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'vaultRequests' | 'vaultRequestDuration'>,
    /** Once it is stopping, requests in flight get no further attempts. */
    @inject(TOKENS.lifecycle, { isOptional: true }) private readonly lifecycle?: Pick<Lifecycle, 'stopping'>,
  ) {
    const { rateLimit } = config;
    if (rateLimit !== undefined) {
      this.rate = new TokenBucket({ clock, burst: rateLimit.burst, refillMs: 1_000 / rateLimit.perSecond });
    }
  }

  /**
   * @returns any answer that is not an outage: 2xx, and 4xx that does not mean "not now".
   * @throws VaultError `unavailable`, or `rejected` for a path that must not be sent;
   *   WriteGateClosedError when the request changes something and the gate is closed;
   *   whatever the request's guard throws.
   */
  async request(request: VaultRequest): Promise<VaultResponse> {
    const { config } = this;
    const query = request.version === undefined ? '' : `?version=${String(request.version)}`;
    const url = this.urlOf(request.path) + query;
    const budget: Budget = { leftMs: Math.min(config.timeoutMs, longestMs(request.operation)) };
    if (this.isStopping && !FINISHING.has(request.operation)) throw notBegun(request);
    for (let attempt = 0; ; attempt += 1) {
      const result = await this.attempt(request, url, budget);
      if (!('error' in result)) return result;
      const waitMs = Math.max(backoffMs(attempt, RETRY), result.error.retryAfterMs ?? 0);
      const abandoned = this.isGivenUp(request);
      const tooLong = waitMs > NAMED_WAIT_LIMITS_MS.vaultAttempt || waitMs >= budget.leftMs;
      const again = result.again && !isLostRemoval(request, result.error);
      if (!again || attempt >= config.maxRetries || tooLong || abandoned) throw result.error;
      await this.pause(waitMs, request);
      // The wait may have ended because the request was cancelled.
      if (this.isGivenUp(request)) throw result.error;
      budget.leftMs -= waitMs;
    }
  }

  /** Waits for VAULT_RATE_LIMIT; a request that still waits at shutdown is not sent. */
  private async isItsTurn({ signal }: VaultRequest): Promise<boolean> {
    if (this.rate === undefined) return signal?.aborted !== true;
    const wasStopping = this.isStopping;
    const waitMs = this.rate.reserve();
    if (waitMs > 0) await sleep(this.clock, waitMs, signal);
    return signal?.aborted !== true && (wasStopping || !this.isStopping);
  }

  private get isStopping(): boolean {
    return this.lifecycle?.stopping.aborted === true;
  }

  private isGivenUp({ signal }: VaultRequest): boolean {
    return this.isStopping || signal?.aborted === true;
  }

  /** Ends immediately when the request is cancelled or the operator stops. */
  private async pause(ms: number, { signal }: VaultRequest): Promise<void> {
    const until = new LinkedAbort([signal, this.lifecycle?.stopping]);
    await sleep(this.clock, ms, until.signal);
    until.dispose();
  }

  private async attempt(request: VaultRequest, url: string, budget: Budget): Promise<VaultResponse | Failed> {
    const first = await this.exchange(request, url, budget);
    if ('error' in first) return first;
    if (!isRedirect(first)) return this.classify(request, first);
    if (this.isStopping && !FOLLOWED_TO_THE_END.has(request.operation)) {
      return redirectFailure(request, first, 'while the operator is shutting down');
    }
    const target = redirectTarget(first, url, this.config.disableRedirects);
    if ('problem' in target) return redirectFailure(request, first, target.problem);
    const second = await this.exchange(request, target.url, budget);
    if ('error' in second) return second;
    if (isRedirect(second)) {
      return redirectFailure(request, second, 'more than once: point VAULT_ADDR at the active node');
    }
    return this.classify(request, second);
  }

  private async exchange(request: VaultRequest, url: string, budget: Budget): Promise<RawResponse | Failed> {
    const { transport, gate, metrics, clock } = this;
    const { guard } = request;
    if (!(await this.isItsTurn(request)))
      return { error: networkFailure('ABORTED', request.operation), again: false };
    if (request.mutates === true) gate.assertOpen();
    guard?.();
    const startMs = clock.monotonicMs();
    const gateSignal = request.mutates === true ? gate.signal : undefined;
    const limit = new LinkedAbort([request.signal, gateSignal]);
    limit.expireIn(clock, Math.max(1, budget.leftMs));
    const stopTimer = metrics.vaultRequestDuration.startTimer();
    let refusal: Error | undefined;
    const beforeSend = (): void => {
      try {
        gate.assertOpen();
        guard?.();
      } catch (error) {
        refusal = error as Error;
        throw error;
      }
    };
    try {
      const response = await transport.send({
        method: request.method,
        url,
        headers: this.headers(request),
        body: request.body,
        signal: limit.signal,
        ...(request.operation === 'login' ? { once: true } : {}),
        ...(request.mutates === true ? { beforeSend } : {}),
      });
      metrics.vaultRequests.inc({ operation: request.operation, code: String(response.status) });
      return response;
    } catch (error) {
      // It was not sent.
      if (refusal !== undefined) throw refusal;
      const code = limit.isOverdue ? 'ETIMEDOUT' : networkCode(error);
      metrics.vaultRequests.inc({ operation: request.operation, code });
      if (gateSignal?.aborted === true) throw new WriteGateClosedError();
      if (error instanceof VaultError) return { error, again: false };
      const again = isWorthAnotherAttempt(code, request.operation);
      return { error: networkFailure(code, request.operation, error), again };
    } finally {
      limit.dispose();
      stopTimer();
      budget.leftMs -= clock.monotonicMs() - startMs;
    }
  }

  private headers({ token, body }: VaultRequest): Record<string, string> {
    const { namespace, headers } = this.config;
    return {
      ...headers,
      // Asked for by Vault Agent and required of API clients by hardened installations.
      'X-Vault-Request': 'true',
      ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
      // A Vault Agent adds its own token if there is none.
      ...(token === undefined || token === '' ? {} : { 'X-Vault-Token': token }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    };
  }

  /** Every answer of Vault is a JSON object, or empty with 204; any other comes from a server in between. */
  private classify({ operation }: VaultRequest, response: RawResponse): VaultResponse | Failed {
    const { status, text, proxy } = response;
    if (status >= 500 || temporaryRefusal(status, text) !== undefined) {
      const error = serverFailure(response, operation, this.clock.now());
      // Credentials of a login may be good for one use.
      const isSafe = operation !== 'login' || error.facts.maybeDone !== true;
      return { error, again: status !== 501 && isSafe };
    }
    if (status === 407) return { error: proxyAsksForCredentials(operation), again: false };
    if (status === 204 || isJsonObject(text)) return { status, text };
    const whom = proxy === undefined ? 'the proxies and load balancers in between' : `the proxy ${proxy}`;
    const message = `HTTP ${String(status)} did not come from Vault: check VAULT_ADDR and ${whom}`;
    return {
      error: new VaultError('unavailable', message, { status, operation, maybeDone: true }),
      again: false,
    };
  }

  /** The last check before sending: no path leaves its mount. */
  private urlOf(path: string): string {
    const segments = path.split('/');
    const isSound = segments.every((segment) => !['', '.', '..'].includes(segment));
    try {
      if (isSound) return `${this.config.address}/v1/${segments.map(encodeURIComponent).join('/')}`;
    } catch {
      // A lone surrogate cannot be escaped; it is refused below.
    }
    throw new VaultError('rejected', 'the path is not allowed in a request to Vault');
  }
}

/** The path may hold another client's value by now: the caller must read it before it repeats the removal. */
function isLostRemoval({ operation }: VaultRequest, { facts }: VaultError): boolean {
  return operation === 'delete' && facts.maybeDone !== false;
}

function notBegun({ operation }: VaultRequest): VaultError {
  return new VaultError('unavailable', 'no new requests to Vault: the operator is shutting down', {
    operation,
    maybeDone: false,
  });
}

function longestMs(operation: VaultRequest['operation']): number {
  const isOfSession = operation === 'login' || operation.startsWith('token_');
  return isOfSession ? VAULT_REQUEST_LIMITS_MS.session : VAULT_REQUEST_LIMITS_MS.secret;
}

function redirectFailure({ operation }: VaultRequest, { status }: RawResponse, problem: string): Failed {
  const message = `Vault redirected (HTTP ${String(status)}) ${problem}`;
  return {
    error: new VaultError('unavailable', message, { status, operation, maybeDone: false }),
    again: false,
  };
}
