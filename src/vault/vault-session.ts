import { inject, injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { Alarm } from '../runtime/alarm.js';
import type { Clock } from '../runtime/clock.js';
import { onAbort, sharedAbort } from '../runtime/abort.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { SingleFlight } from '../runtime/single-flight.js';
import { TOKENS } from '../tokens.js';
import type { VaultAuthenticator } from './authenticator.js';
import { TokenExpiryLog } from './token-expiry-log.js';
import { LoginCooldown } from './login-cooldown.js';
import { NewTokens, notKnownYet } from './new-token.js';
import { SessionGauges } from './session-gauges.js';
import { isOver, renewalSchedule, type Session, sessionOf } from './session-life.js';
import { TokenApi } from './token-api.js';
import { TokenUses } from './token-uses.js';
import { saysTokenIsInvalid } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests, VaultRequest, VaultRequests, VaultResponse } from './vault-request.js';

const STOPPED = new VaultError('unavailable', 'the Vault session has ended: the operator is shutting down');

const LOGIN = 'login';

/**
 * The Vault token of the process. It logs in when a token is first needed and again when the token is gone, with one
 * login for all callers; it renews or replaces the token at about two thirds of its lifetime. Until shutdown there is
 * always a request in flight or a timer set, except for a token that never expires: {@link plan} sets the timer after
 * every event.
 */
@injectable()
export class VaultSession implements SessionRequests, ReadinessCheck {
  /** The readiness check. */
  readonly name = 'vault';
  private current: Session | undefined;
  /** When to renew or replace the current token, in monotonic milliseconds. */
  private renewAtMs = 0;
  private renewing = false;
  private readonly logins = new SingleFlight<Session>(() => {
    this.plan();
  });
  /** Look-ups, by token. */
  private readonly checks = new SingleFlight<Awaited<ReturnType<TokenApi['lookUp']>>>();
  private readonly alarm: Alarm;
  private readonly ended = sharedAbort();
  private readonly tokens: TokenApi;
  private readonly gauges: SessionGauges;
  private readonly uses: TokenUses;
  private readonly expiryLog: TokenExpiryLog;
  private readonly cooldown: LoginCooldown;
  private readonly newTokens: NewTokens;

  constructor(
    @inject(TOKENS.vaultClient) private readonly client: VaultRequests,
    @inject(TOKENS.authenticator) private readonly authenticator: VaultAuthenticator,
    /** Name of the auth method, for logs and metrics. */
    @inject(TOKENS.authMethod) private readonly method: string,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics)
    metrics: Pick<OperatorMetrics, 'vaultLogins' | 'vaultSession' | 'vaultTokenExpiry'>,
    /** Once it is stopping, there are no more renewals, look-ups or logins. */
    @inject(TOKENS.lifecycle, { isOptional: true }) private readonly lifecycle?: Pick<Lifecycle, 'stopping'>,
    @inject(TOKENS.random, { isOptional: true }) private readonly random?: () => number,
  ) {
    this.tokens = new TokenApi(client);
    this.gauges = new SessionGauges(metrics, clock);
    this.alarm = new Alarm(clock);
    this.expiryLog = new TokenExpiryLog(logger);
    this.uses = new TokenUses(async (token) => {
      try {
        await this.tokens.revoke(token, this.ended.signal);
      } catch (error) {
        // At shutdown it is revoked with the others.
        if (!this.ended.signal.aborted) throw error;
      }
    }, logger);
    const { locksOut = false, usesUp } = authenticator;
    this.cooldown = new LoginCooldown({
      method,
      locksOut,
      usesUp,
      clock,
      logger,
      metrics,
      ...(random === undefined ? {} : { random }),
    });
    this.newTokens = new NewTokens(clock, () => this.cooldown.patienceMs);
    onAbort(lifecycle?.stopping, () => {
      this.alarm.clear();
    });
  }

  /** Logs in and keeps the session; Vault may be down. Never throws. */
  start(): void {
    this.proceed();
  }

  /** Why requests cannot be sent, or undefined. */
  problem(): string | undefined {
    if (this.current !== undefined && !isOver(this.current, this.clock.monotonicMs())) return undefined;
    return this.cooldown.error?.message ?? 'not logged in to Vault yet';
  }

  /**
   * Sends a request with the token. After a 403 the token is looked up: an invalid token is replaced and the request sent
   * once more; with a valid one the permission is missing, and the 403 is the answer. While the token is new, the node
   * may also not know the token or its permissions yet: that passes, and causes no login.
   *
   * @throws VaultError `unavailable` when there is no session or no answer, or the token is not known yet.
   */
  async request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse> {
    const session = await this.session();
    const answer = await this.send(session, request);
    if (answer.status !== 403) return answer;
    if (this.isStopping) throw STOPPED;
    const { newTokens } = this;
    const isNew = newTokens.isNew(session, answer);
    if (isNew && newTokens.needsNoLookUp(session, answer)) return notKnownYet(answer, request.operation);
    // Another request may have replaced the token while this one was in flight.
    if (this.current?.token === session.token) {
      if (!(await this.isDead(session, answer.text))) {
        newTokens.accepted(session);
        // The look-up may have found another token.
        return newTokens.isNew(session, answer) ? notKnownYet(answer, request.operation, true) : answer;
      }
      if (isNew && newTokens.mayBeUnreplicated(session)) return notKnownYet(answer, request.operation);
      this.discard(session);
    }
    const fresh = await this.session();
    const second = await this.send(fresh, request);
    return second.status === 403 && newTokens.isNew(fresh, second)
      ? notKnownYet(second, request.operation)
      : second;
  }

  /** Ends renewals and revokes the tokens of our own logins. Never throws. */
  async stop(signal?: AbortSignal): Promise<void> {
    this.ended.abort();
    this.alarm.clear();
    const { current } = this;
    this.current = undefined;
    this.gauges.clear();
    const ours = [...this.uses.unrevoked(), ...(current?.ours === true ? [current.token] : [])];
    const revoked = await Promise.allSettled(ours.map((token) => this.tokens.revoke(token, signal)));
    if (revoked.some(({ status }) => status === 'rejected')) {
      this.logger.warn('could not revoke the Vault token; it stays valid until it expires');
    }
  }

  private get isStopping(): boolean {
    return this.ended.signal.aborted || this.lifecycle?.stopping.aborted === true;
  }

  private async send(session: Session, request: Omit<VaultRequest, 'token'>): Promise<VaultResponse> {
    const { token } = session;
    const answer = await this.uses.during(token, () => this.client.request({ ...request, token }));
    if (answer.status !== 403) this.newTokens.accepted(session);
    return answer;
  }

  private async session(): Promise<Session> {
    if (this.ended.signal.aborted) throw STOPPED;
    if (this.current !== undefined) {
      if (!isOver(this.current, this.clock.monotonicMs())) return this.current;
      this.drop(this.current);
    }
    if (this.isStopping) throw STOPPED;
    if (!this.isLoggingIn && this.cooldown.isActive && this.cooldown.error !== undefined)
      throw this.cooldown.error;
    return await this.logIn();
  }

  /** One login for all concurrent callers. */
  private logIn(): Promise<Session> {
    const login = this.logins.run(LOGIN, () => this.attemptLogin());
    this.alarm.clear();
    return login;
  }

  private get isLoggingIn(): boolean {
    return this.logins.isUnderWay(LOGIN);
  }

  private async attemptLogin(): Promise<Session> {
    const { authenticator, method, logger } = this;
    try {
      const token = await authenticator.login(this.ended.signal);
      if (this.ended.signal.aborted) throw STOPPED;
      logger.info('logged in to Vault', { method, ttlSeconds: token.ttlSeconds, renewable: token.renewable });
      this.cooldown.succeeded();
      this.expiryLog.reset();
      this.newTokens.found(token);
      const replaced = this.current;
      const session = this.adopt(sessionOf(token, this.clock.monotonicMs()));
      if (replaced?.ours === true && replaced.token !== session.token) this.uses.retire(replaced.token);
      return session;
    } catch (error) {
      if (this.isStopping) throw STOPPED;
      throw this.cooldown.failed(error);
    }
  }

  /** Sets the timer according to the current state; requests in flight call it when they end. */
  private plan(): void {
    this.alarm.clear();
    if (this.isStopping || this.isLoggingIn || this.renewing) return;
    const dueAtMs = renewalSchedule.dueAtMs(this.current, this.renewAtMs, this.cooldown.untilMs);
    if (dueAtMs === undefined) return;
    this.alarm.setIn(Math.max(0, dueAtMs - this.clock.monotonicMs()), () => {
      this.proceed();
    });
  }

  /** Does what is due. `cooldown` keeps, logs and counts failures. */
  private proceed(): void {
    const { current } = this;
    const isAlive = current !== undefined && !isOver(current, this.clock.monotonicMs());
    if (!isAlive) this.session().catch(() => undefined);
    else if (!this.renewing && this.clock.monotonicMs() >= this.renewAtMs) {
      void this.renewOrReplace(current);
    }
    this.plan();
  }

  private adopt(session: Session): Session {
    this.current = session;
    this.gauges.show(session);
    this.renewAtMs = renewalSchedule.firstMs(session, this.random ?? Math.random);
    this.plan();
    return session;
  }

  /** Renews, or logs in again if that does not help: near the maximum lifetime renewals get shorter. */
  private async renewOrReplace(session: Session): Promise<void> {
    this.renewing = true;
    try {
      const ttlSeconds = session.renewable
        ? await this.tokens.renew(session.token, this.ended.signal)
        : undefined;
      if (this.current !== session) return;
      const renewed =
        ttlSeconds === undefined
          ? undefined
          : renewalSchedule.renewed(session, ttlSeconds, this.clock.monotonicMs());
      if (renewed?.isLongEnough === true) {
        this.expiryLog.reset();
        this.adopt(renewed.session);
      }
      // The old token is used until the new one exists.
      else if (session.ours) await this.logIn();
      else {
        if (renewed !== undefined) this.adopt(renewed.session);
        this.expiryLog.report(renewed?.session ?? session, this.clock.monotonicMs());
      }
    } catch {
      // A renewal without an answer, or a failed login that is logged already.
    } finally {
      this.renewing = false;
      const nowMs = this.clock.monotonicMs();
      if (this.current !== undefined && this.renewAtMs <= nowMs) {
        const nextMs = renewalSchedule.nextMs(this.current, nowMs);
        this.renewAtMs = session.ours ? Math.max(nextMs, this.cooldown.untilMs) : nextMs;
      }
      this.plan();
    }
  }

  /** Distinguishes an invalid token from a missing permission; one look-up for all callers. */
  private async isDead(session: Session, answer: string): Promise<boolean> {
    // Without the permission for a look-up, only the text of the 403 tells.
    if (!session.mayLookUp) return saysTokenIsInvalid(answer);
    const { token, ours } = session;
    const seen = await this.checks.run(token, () => this.tokens.lookUp(token, this.ended.signal));
    if (typeof seen === 'object' && !ours) this.newTokens.found({ token, ours, ...seen });
    return seen === 'dead';
  }

  /** Drops a token that Vault does not accept any more. */
  private discard(session: Session): void {
    if (this.current?.token !== session.token) return;
    this.drop(session);
    this.cooldown.died(this.clock.monotonicMs() - session.loggedInMs);
    this.plan();
  }

  private drop(session: Session): void {
    if (this.current?.token !== session.token) return;
    this.current = undefined;
    this.gauges.clear();
    this.logger.warn('the Vault token is no longer valid; logging in again', { method: this.method });
    this.plan();
  }
}
