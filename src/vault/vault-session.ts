import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { sharedAbort } from '../runtime/shared-abort.js';
import type { VaultAuthenticator, VaultToken } from './authenticator.js';
import { LoginBackoff } from './login-backoff.js';
import { TokenApi } from './token-api.js';
import { tellsOfDeadToken } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests, VaultRequest, VaultRequests, VaultResponse } from './vault-request.js';

/** Timers of Node end at 2^31 ms; a longer life is looked at again on the way. */
const MAX_TIMER_MS = 24 * 60 * 60_000;
const MIN_TIMER_MS = 1_000;

const STOPPED = new VaultError('unavailable', 'the Vault session has ended because the operator stops');

interface Session extends VaultToken {
  /** Monotonic milliseconds of the login. */
  readonly loggedInMs: number;
  /** Monotonic milliseconds of the login or the last renewal. */
  readonly sinceMs: number;
  /** Monotonic milliseconds; undefined: never. */
  readonly endsAtMs: number | undefined;
}

/**
 * The one token of the process. Logged in to when it is first needed and again when it is gone, by one
 * login for everybody who waits; renewed at about two thirds of its life.
 */
export class VaultSession implements SessionRequests {
  private current: Session | undefined;
  private pending: Promise<Session> | undefined;
  private check: { readonly session: Session; readonly dead: Promise<boolean> } | undefined;
  /** Until then nobody logs in; everybody who asks is told why at once, instead of piling up. */
  private rest: { readonly error: VaultError; readonly untilMs: number } | undefined;
  private saidNotRenewable = false;
  private cancelTimer: (() => void) | undefined;
  private readonly stopping = sharedAbort();
  private readonly tokens: TokenApi;
  private readonly backoff: LoginBackoff;

  constructor(
    private readonly deps: {
      readonly client: VaultRequests;
      readonly authenticator: VaultAuthenticator;
      /** Name of the auth method, for logs and metrics. */
      readonly method: string;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly metrics: Pick<OperatorMetrics, 'vaultLogins' | 'vaultSession' | 'vaultTokenExpiry'>;
      readonly random?: () => number;
    },
  ) {
    this.tokens = new TokenApi(deps.client);
    const locksOut = deps.authenticator.locksOut === true;
    this.backoff = new LoginBackoff({
      locksOut,
      ...(deps.random === undefined ? {} : { random: deps.random }),
    });
  }

  /** Logs in and stays logged in; Vault may be down. Never throws. */
  start(): void {
    this.proceed();
  }

  /** What is missing for requests to be sent, or undefined. */
  problem(): string | undefined {
    if (this.current !== undefined && !this.isOver(this.current)) return undefined;
    return this.rest?.error.message ?? 'not logged in to Vault yet';
  }

  /**
   * Sends a request with the token. A 403 is looked into: a dead token is replaced and the request sent
   * once more; a living one means that the permission is missing, and the 403 is the answer.
   *
   * @throws VaultError `unavailable` when there is no session or no answer.
   */
  async request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse> {
    const session = await this.session();
    const answer = await this.deps.client.request({ ...request, token: session.token });
    if (answer.status !== 403) return answer;
    // Another request may have replaced the token while this one was on its way.
    if (this.current === session) {
      if (!(await this.isDead(session, answer.text))) return answer;
      this.bury(session);
    }
    const fresh = await this.session();
    return await this.deps.client.request({ ...request, token: fresh.token });
  }

  /** Ends renewals; revokes the token when a login of ours obtained it. Never throws. */
  async stop(signal?: AbortSignal): Promise<void> {
    this.stopping.abort();
    this.cancelTimer?.();
    const { current } = this;
    this.current = undefined;
    this.deps.metrics.vaultSession.set(0);
    this.deps.metrics.vaultTokenExpiry.set(0);
    if (current?.ours !== true) return;
    try {
      await this.tokens.revoke(current.token, signal);
    } catch {
      this.deps.logger.warn('the Vault token could not be revoked; it ends by itself');
    }
  }

  private async session(): Promise<Session> {
    if (this.stopping.signal.aborted) throw STOPPED;
    if (this.current !== undefined) {
      if (!this.isOver(this.current)) return this.current;
      this.drop(this.current);
    }
    if (this.pending === undefined && this.restingMs() > 0 && this.rest !== undefined) throw this.rest.error;
    return await this.logIn();
  }

  /** One login for all who ask meanwhile. */
  private logIn(): Promise<Session> {
    this.pending ??= this.attemptLogin().finally(() => {
      this.pending = undefined;
    });
    return this.pending;
  }

  private async attemptLogin(): Promise<Session> {
    const { authenticator, method, metrics, logger } = this.deps;
    try {
      const token = await authenticator.login(this.stopping.signal);
      if (this.stopping.signal.aborted) throw STOPPED;
      metrics.vaultLogins.inc({ method, result: 'success' });
      logger.info('logged in to Vault', { method, ttlSeconds: token.ttlSeconds, renewable: token.renewable });
      this.backoff.succeeded();
      this.rest = undefined;
      this.saidNotRenewable = false;
      return this.adopt({ ...token, loggedInMs: this.deps.clock.monotonicMs() }, token.ttlSeconds);
    } catch (error) {
      if (this.stopping.signal.aborted) throw STOPPED;
      throw this.loginFailed(error);
    }
  }

  private loginFailed(error: unknown): VaultError {
    const { method, metrics, logger } = this.deps;
    const cause =
      error instanceof VaultError ? error : new VaultError('unavailable', 'the login failed unexpectedly');
    const isRefused = cause.failure !== 'unavailable';
    const waitMs = Math.max(
      isRefused ? this.backoff.afterRefusal() : this.backoff.afterOutage(),
      cause.retryAfterMs ?? 0,
    );
    metrics.vaultLogins.inc({ method, result: isRefused ? 'refused' : 'error' });
    logger.error('cannot log in to Vault; will try again', {
      method,
      problem: cause.message,
      failures: this.backoff.failures,
      waitSeconds: Math.round(waitMs / 1_000),
    });
    return this.restFor(waitMs, `not logged in to Vault: ${cause.message}`, cause.facts);
  }

  private restFor(waitMs: number, message: string, facts: VaultError['facts'] = {}): VaultError {
    const error = new VaultError('unavailable', message, facts, waitMs);
    this.rest = { error, untilMs: this.deps.clock.monotonicMs() + waitMs };
    this.schedule(waitMs, () => {
      this.proceed();
    });
    return error;
  }

  private restingMs(): number {
    return (this.rest?.untilMs ?? 0) - this.deps.clock.monotonicMs();
  }

  private proceed(): void {
    // What goes wrong is kept in `rest`, logged and counted there.
    this.session().catch(() => undefined);
  }

  private adopt(token: VaultToken & { readonly loggedInMs: number }, ttlSeconds: number): Session {
    const { clock, metrics } = this.deps;
    const ttlMs = ttlSeconds * 1_000;
    const sinceMs = clock.monotonicMs();
    const session: Session = { ...token, sinceMs, endsAtMs: ttlMs === 0 ? undefined : sinceMs + ttlMs };
    this.current = session;
    metrics.vaultSession.set(1);
    metrics.vaultTokenExpiry.set(ttlMs === 0 ? 0 : (clock.now().getTime() + ttlMs) / 1_000);
    this.cancelTimer?.();
    if (ttlMs > 0) {
      // Two thirds, a little earlier or later, so that replicas do not renew together.
      const share = 0.62 + 0.08 * (this.deps.random ?? Math.random)();
      this.schedule(ttlMs * share, () => void this.keepAlive(session));
    }
    return session;
  }

  /** Renews, or logs in anew where that does not help: near the maximum life renewals grow short. */
  private async keepAlive(session: Session): Promise<void> {
    if (this.current !== session || session.endsAtMs === undefined) return;
    const lifeMs = session.endsAtMs - session.sinceMs;
    try {
      const ttl = session.renewable
        ? await this.tokens.renew(session.token, this.stopping.signal)
        : undefined;
      if (this.current !== session) return;
      if (ttl !== undefined && (ttl === 0 || ttl * 1_000 > lifeMs / 2)) {
        this.adopt(session, ttl);
        return;
      }
      // The old token serves until the new one is there.
      if (session.ours) await this.logIn();
      else this.notRenewable(session, ttl);
    } catch {
      this.tryAgainBeforeTheEnd(session);
    }
  }

  /** A token that was given to us cannot be replaced by us: said once, and tried until it ends. */
  private notRenewable(session: Session, ttlSeconds: number | undefined): void {
    const endsAtMs = session.endsAtMs ?? 0;
    if (!this.saidNotRenewable) {
      this.saidNotRenewable = true;
      this.deps.logger.error('VAULT_TOKEN cannot be renewed beyond its end; replace it before', {
        secondsLeft: ttlSeconds ?? Math.round((endsAtMs - this.deps.clock.monotonicMs()) / 1_000),
      });
    }
    if (ttlSeconds !== undefined && ttlSeconds * 1_000 > MIN_TIMER_MS) this.adopt(session, ttlSeconds);
    else this.tryAgainBeforeTheEnd(session);
  }

  private tryAgainBeforeTheEnd(session: Session): void {
    const leftMs = (session.endsAtMs ?? 0) - this.deps.clock.monotonicMs();
    const waitMs = Math.max(MIN_TIMER_MS, leftMs / 4, this.restingMs());
    if (waitMs < leftMs) this.schedule(waitMs, () => void this.keepAlive(session));
    else {
      this.schedule(Math.max(leftMs, this.restingMs()), () => {
        this.proceed();
      });
    }
  }

  /** Tells a dead token from a missing permission; one look-up for all who ask. */
  private async isDead(session: Session, answer: string): Promise<boolean> {
    // Without the permission to look itself up, only the text of the 403 tells.
    if (!session.mayLookUp) return tellsOfDeadToken(answer);
    if (this.check?.session !== session) {
      const dead = this.tokens
        .lookUp(session.token, this.stopping.signal)
        .then((seen) => seen === 'dead')
        .finally(() => {
          if (this.check?.session === session) this.check = undefined;
        });
      this.check = { session, dead };
    }
    return await this.check.dead;
  }

  /** Gives up a token that Vault does not know any more. */
  private bury(session: Session): void {
    if (this.current !== session) return;
    this.drop(session);
    const waitMs = this.backoff.afterDeath(this.deps.clock.monotonicMs() - session.loggedInMs);
    if (waitMs === 0) return;
    const message =
      'Vault ends the token right after the login: check token_num_uses, token_bound_cidrs and the TTL of the role';
    this.restFor(waitMs, message);
    this.deps.logger.error('the Vault token does not live; will log in again later', {
      method: this.deps.method,
    });
  }

  private drop(session: Session): void {
    if (this.current !== session) return;
    this.current = undefined;
    this.cancelTimer?.();
    this.deps.metrics.vaultSession.set(0);
    this.deps.metrics.vaultTokenExpiry.set(0);
    this.deps.logger.warn('the Vault token is gone; logging in again', { method: this.deps.method });
  }

  private isOver({ endsAtMs }: Session): boolean {
    return endsAtMs !== undefined && this.deps.clock.monotonicMs() >= endsAtMs;
  }

  private schedule(ms: number, callback: () => void): void {
    this.cancelTimer?.();
    if (this.stopping.signal.aborted) return;
    this.cancelTimer = this.deps.clock.setTimer(Math.min(Math.max(ms, MIN_TIMER_MS), MAX_TIMER_MS), callback);
  }
}
