import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { namedWaitMs } from '../runtime/wait-limits.js';
import { LoginBackoff } from './login-backoff.js';
import { VaultError } from './vault-error.js';

/** The pause after a failed login, in which requests fail immediately with the reason. */
export class LoginCooldown {
  private cooldown: { readonly error: VaultError; readonly untilMs: number } | undefined;
  private readonly backoff: LoginBackoff;
  /** Since the last successful login, the answer to one was lost: Vault may have accepted it. */
  private isAnswerLost = false;

  constructor(
    private readonly deps: {
      readonly method: string;
      readonly locksOut: boolean;
      /** The credential that a login may use up. */
      readonly usesUp?: string | undefined;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly metrics: Pick<OperatorMetrics, 'vaultLogins'>;
      readonly random?: () => number;
    },
  ) {
    const { locksOut, random } = deps;
    this.backoff = new LoginBackoff({ locksOut, ...(random === undefined ? {} : { random }) });
  }

  /** Why the last login failed; kept after the pause. */
  get error(): VaultError | undefined {
    return this.cooldown?.error;
  }

  /** Monotonic milliseconds. */
  get untilMs(): number {
    return this.cooldown?.untilMs ?? 0;
  }

  get isActive(): boolean {
    return this.untilMs > this.deps.clock.monotonicMs();
  }

  /** How long after a login a refused token may not be replicated yet. */
  get patienceMs(): number {
    return this.backoff.patienceMs;
  }

  succeeded(): void {
    this.deps.metrics.vaultLogins.inc({ method: this.deps.method, result: 'success' });
    this.backoff.succeeded();
    this.isAnswerLost = false;
    this.cooldown = undefined;
  }

  /** @returns the error of all requests until the next attempt. */
  failed(error: unknown): VaultError {
    const { method, metrics, logger } = this.deps;
    const cause =
      error instanceof VaultError ? error : new VaultError('unavailable', 'the login failed unexpectedly');
    const isRefused = !cause.isOutage;
    if (cause.facts.maybeDone === true) this.isAnswerLost = true;
    const problem = isRefused ? `${cause.message}${this.afterLostAnswer()}` : cause.message;
    const waitMs = Math.max(
      isRefused ? this.backoff.afterRefusal() : this.backoff.afterOutage(),
      namedWaitMs(cause.retryAfterMs, 'vaultLogin'),
    );
    metrics.vaultLogins.inc({ method, result: isRefused ? 'refused' : 'error' });
    logger.error('cannot log in to Vault; will retry', {
      method,
      problem,
      failures: this.backoff.failures,
      waitSeconds: Math.round(waitMs / 1_000),
    });
    return this.begin(waitMs, `not logged in to Vault: ${problem}`, cause.facts);
  }

  /** The next attempt is made with other credentials; what was counted stays, because an account may be locked. */
  end(): void {
    this.cooldown = undefined;
  }

  /** A token ended; if tokens keep ending right after the login, the next login waits. */
  died(ageMs: number): void {
    const waitMs = this.backoff.afterDeath(ageMs);
    if (waitMs === 0) return;
    this.begin(
      waitMs,
      'Vault revokes the token right after the login: check token_num_uses, token_bound_cidrs and the TTL of the role',
    );
    this.deps.logger.error('the new Vault token is not valid; will log in again later', {
      method: this.deps.method,
    });
  }

  private afterLostAnswer(): string {
    const { usesUp } = this.deps;
    if (!this.isAnswerLost || usesUp === undefined) return '';
    return `; the response to an earlier login was lost: a single-use ${usesUp} may be used up already`;
  }

  private begin(waitMs: number, message: string, facts: VaultError['facts'] = {}): VaultError {
    const error = new VaultError('unavailable', message, facts, waitMs);
    this.cooldown = { error, untilMs: this.deps.clock.monotonicMs() + waitMs };
    return error;
  }
}
