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
import { CredentialWatch } from './credential-watch.js';
import { DeniedRequests } from './denied-requests.js';
import { TokenExpiryLog } from './token-expiry-log.js';
import { LoginCooldown } from './login-cooldown.js';
import { NewTokens } from './new-token.js';
import { SessionGauges } from './session-gauges.js';
import { isOver, renewalSchedule, type Session, sessionOf } from './session-life.js';
import { TokenApi } from './token-api.js';
import { TokenUses } from './token-uses.js';
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
  private readonly alarm: Alarm;
  private readonly ended = sharedAbort();
  private readonly tokens: TokenApi;
  private readonly gauges: SessionGauges;
  private readonly uses: TokenUses;
  private readonly expiryLog: TokenExpiryLog;
  private readonly cooldown: LoginCooldown;
  private readonly newTokens: NewTokens;
  private readonly denied: DeniedRequests;
  private readonly credentials: CredentialWatch;

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
    this.uses = new TokenUses(this.tokens, this.ended.signal, logger);
    const { locksOut = false, usesUp, inFiles } = authenticator;
    this.credentials = new CredentialWatch(inFiles, clock, logger);
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
    this.denied = new DeniedRequests(this.tokens, this.newTokens, this.ended.signal);
    onAbort(lifecycle?.stopping, () => {
      this.alarm.clear();
      this.credentials.stop();
    });
  }

  /** Logs in and keeps the session; Vault may be down. Never throws. */
  start(): void {
    this.proceed();
    this.credentials.start(this);
  }

  /** Why requests cannot be sent, or undefined. */
  problem(): string | undefined {
    if (this.isAlive) return undefined;
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
    const { operation } = request;
    if (!(await this.isReplacedByFile(session))) {
      const isCurrent = (): boolean => this.current?.token === session.token;
      const judged = await this.denied.judge({ session, answer, operation }, isCurrent);
      if (judged === 'dead') this.discard(session);
      else if (judged !== 'replaced') return judged;
    }
    const fresh = await this.session();
    return this.denied.second({ session: fresh, answer: await this.send(fresh, request), operation });
  }

  /** Ends renewals and revokes the tokens of our own logins. Never throws. */
  async stop(signal?: AbortSignal): Promise<void> {
    this.ended.abort();
    this.alarm.clear();
    this.credentials.stop();
    const { current } = this;
    this.current = undefined;
    this.gauges.clear();
    const ours = [...this.uses.unrevoked(), ...(current?.ours === true ? [current.token] : [])];
    const revoked = await Promise.allSettled(ours.map((token) => this.tokens.revoke(token, signal)));
    if (revoked.some(({ status }) => status === 'rejected')) {
      this.logger.warn('could not revoke the Vault token; it stays valid until it expires');
    }
  }

  /** There is a token that has not ended. */
  get isAlive(): boolean {
    return this.current !== undefined && !isOver(this.current, this.clock.monotonicMs());
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
    if (current === undefined || !this.isAlive) this.session().catch(() => undefined);
    else if (!this.renewing && this.clock.monotonicMs() >= this.renewAtMs) {
      void this.renewOrReplace(current);
    }
    this.plan();
  }

  /**
   * Without a session, and where a file holds the token itself, changed credentials are used at once.
   *
   * @param areNew no login has tried them yet.
   */
  onCredentials(areNew: boolean): void {
    if (this.isAlive && this.authenticator.givesToken !== true) return;
    if (areNew) this.cooldown.end();
    if (!this.cooldown.isActive) this.logIn().catch(() => undefined);
  }

  /** Whether the token has given way to one that its file holds since a moment ago, which may be in the middle of it. */
  private async isReplacedByFile(session: Session): Promise<boolean> {
    if (this.authenticator.givesToken !== true) return false;
    if (this.credentials.findsNew || this.isLoggingIn) await this.logIn().catch(() => undefined);
    return this.isAlive && this.current?.token !== session.token;
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
