import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { VaultAuthenticator, VaultToken } from './authenticator.js';
import { TokenApi } from './token-api.js';
import type { VaultClient } from './vault-client.js';
import { VaultError } from './vault-error.js';
import type { VaultRequest, VaultResponse } from './vault-request.js';

/** A refused login is repeated slowly, so that no account is locked out; an outage is met sooner. */
const REFUSED = { baseMs: 10_000, capMs: 5 * 60_000 };
const OUTAGE = { baseMs: 1_000, capMs: 30_000 };
/** A token that may not look itself up is replaced at most this often when requests meet 403. */
const BLIND_LOGIN_INTERVAL_MS = 5 * 60_000;
/** Timers of Node end at 2^31 ms; a longer life is looked at again on the way. */
const MAX_TIMER_MS = 24 * 60 * 60_000;
const MIN_TIMER_MS = 1_000;

interface Session extends VaultToken {
  /** Monotonic milliseconds; undefined: never. */
  readonly endsAtMs: number | undefined;
  readonly since: number;
}

/**
 * The one token of the process. Logged in to when it is first needed and again when it is gone, by one
 * login for everybody who waits; renewed at about two thirds of its life.
 */
export class VaultSession {
  private current: Session | undefined;
  private pending: Promise<Session> | undefined;
  private checking: Promise<'alive' | 'dead'> | undefined;
  private failure:
    { readonly error: VaultError; readonly notBeforeMs: number; readonly attempts: number } | undefined;
  private cancelTimer: (() => void) | undefined;
  private readonly stopping = new AbortController();
  private readonly tokens: TokenApi;

  constructor(
    private readonly deps: {
      readonly client: VaultClient;
      readonly authenticator: VaultAuthenticator;
      /** Name of the auth method, for logs and metrics. */
      readonly method: string;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly metrics: Pick<OperatorMetrics, 'vaultLogins' | 'vaultTokenExpiry'>;
      readonly random?: () => number;
    },
  ) {
    this.tokens = new TokenApi(deps.client);
  }

  /** Logs in and stays logged in; Vault may be down. Never throws. */
  start(): void {
    void this.session().catch(() => undefined);
  }

  /** What is missing for requests to be sent, or undefined. */
  problem(): string | undefined {
    if (this.current !== undefined) return undefined;
    return this.failure === undefined ? 'not logged in yet' : this.failure.error.message;
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
    if (this.current === session && (await this.check(session)) === 'alive') return answer;
    this.drop(session);
    const fresh = await this.session();
    return await this.deps.client.request({ ...request, token: fresh.token });
  }

  /** Ends renewals; revokes the token when a login of ours obtained it. Never throws. */
  async stop(signal?: AbortSignal): Promise<void> {
    this.stopping.abort();
    this.cancelTimer?.();
    const { current } = this;
    this.current = undefined;
    if (current?.ours !== true) return;
    try {
      await this.tokens.revoke(current.token, signal);
    } catch {
      this.deps.logger.warn('the Vault token could not be revoked; it ends by itself');
    }
  }

  private async session(): Promise<Session> {
    if (this.current !== undefined) {
      const { endsAtMs } = this.current;
      if (endsAtMs === undefined || this.deps.clock.monotonicMs() < endsAtMs) return this.current;
      this.drop(this.current);
    }
    // Everybody who comes while a failed login rests is told at once, instead of piling up.
    if (this.failure !== undefined && this.deps.clock.monotonicMs() < this.failure.notBeforeMs)
      throw this.failure.error;
    this.pending ??= this.logIn().finally(() => {
      this.pending = undefined;
    });
    return await this.pending;
  }

  private async logIn(): Promise<Session> {
    const { authenticator, method, metrics, logger, clock } = this.deps;
    try {
      const token = await authenticator.login(this.stopping.signal);
      metrics.vaultLogins.inc({ method, result: 'success' });
      logger.info('logged in to Vault', { method, ttlSeconds: token.ttlSeconds, renewable: token.renewable });
      this.failure = undefined;
      return this.adopt(token, token.ttlSeconds);
    } catch (error) {
      const cause =
        error instanceof VaultError ? error : new VaultError('unavailable', 'the login failed unexpectedly');
      const refused = cause.failure !== 'unavailable';
      const attempts = (this.failure?.attempts ?? 0) + 1;
      const waitMs = this.backoff(attempts - 1, refused ? REFUSED : OUTAGE);
      metrics.vaultLogins.inc({ method, result: refused ? 'refused' : 'error' });
      logger.error('cannot log in to Vault; will try again', { method, problem: cause.message, attempts });
      const shown = new VaultError(
        'unavailable',
        `not logged in to Vault: ${cause.message}`,
        cause.facts,
        waitMs,
      );
      this.failure = { error: shown, notBeforeMs: clock.monotonicMs() + waitMs, attempts };
      this.schedule(waitMs, () => void this.session().catch(() => undefined));
      throw shown;
    }
  }

  private adopt(token: VaultToken, ttlSeconds: number): Session {
    const { clock, metrics } = this.deps;
    const ttlMs = ttlSeconds * 1_000;
    const now = clock.monotonicMs();
    const session: Session = { ...token, endsAtMs: ttlMs === 0 ? undefined : now + ttlMs, since: now };
    this.current = session;
    metrics.vaultTokenExpiry.set(ttlMs === 0 ? 0 : (clock.now().getTime() + ttlMs) / 1_000);
    if (ttlMs > 0) {
      // Two thirds, a little earlier or later, so that replicas do not renew together.
      const share = 0.62 + 0.08 * (this.deps.random ?? Math.random)();
      this.schedule(ttlMs * share, () => void this.keepAlive(session));
    }
    return session;
  }

  /** Renews, or logs in anew where that does not help: at the maximum life renewals grow short. */
  private async keepAlive(session: Session): Promise<void> {
    if (this.current !== session) return;
    const lifeMs = (session.endsAtMs ?? 0) - session.since;
    const leftMs = (session.endsAtMs ?? 0) - this.deps.clock.monotonicMs();
    try {
      const ttl = session.renewable
        ? await this.tokens.renew(session.token, this.stopping.signal)
        : undefined;
      if (this.current !== session) return;
      if (ttl !== undefined && (ttl === 0 || ttl * 1_000 > lifeMs / 2)) {
        this.adopt(session, ttl);
      } else if (session.ours) {
        // The old token serves until the new one is there.
        this.pending ??= this.logIn().finally(() => {
          this.pending = undefined;
        });
        await this.pending;
      } else {
        this.deps.logger.error('VAULT_TOKEN cannot be renewed any more; replace it before it ends', {
          secondsLeft: Math.max(0, Math.round((ttl === undefined ? leftMs : ttl * 1_000) / 1_000)),
        });
        if (ttl !== undefined && ttl * 1_000 > MIN_TIMER_MS) this.adopt(session, ttl);
      }
    } catch {
      this.schedule(Math.max(MIN_TIMER_MS, leftMs / 4), () => void this.keepAlive(session));
    }
  }

  /** Tells a dead token from a missing permission; one look-up for all who ask. */
  private async check(session: Session): Promise<'alive' | 'dead'> {
    if (!session.mayLookUp) {
      const age = this.deps.clock.monotonicMs() - session.since;
      return session.ours && age > BLIND_LOGIN_INTERVAL_MS ? 'dead' : 'alive';
    }
    this.checking ??= this.tokens
      .lookUp(session.token, this.stopping.signal)
      .then((seen) => (seen === 'dead' ? 'dead' : 'alive'))
      .finally(() => {
        this.checking = undefined;
      });
    return await this.checking;
  }

  private drop(session: Session): void {
    if (this.current !== session) return;
    this.current = undefined;
    this.deps.metrics.vaultTokenExpiry.set(0);
    this.deps.logger.warn('the Vault token is gone; logging in again', { method: this.deps.method });
  }

  private schedule(ms: number, callback: () => void): void {
    this.cancelTimer?.();
    if (this.stopping.signal.aborted) return;
    this.cancelTimer = this.deps.clock.setTimer(Math.min(Math.max(ms, MIN_TIMER_MS), MAX_TIMER_MS), callback);
  }

  private backoff(attempt: number, options: { baseMs: number; capMs: number }): number {
    return backoffMs(
      attempt,
      this.deps.random === undefined ? options : { ...options, random: this.deps.random },
    );
  }
}
