import { backoffMs } from '../runtime/backoff.js';

/** A refused login is repeated slowly; after an outage, sooner. */
const REFUSED = { baseMs: 10_000, capMs: 5 * 60_000 };
const OUTAGE = { baseMs: 1_000, capMs: 30_000 };
/**
 * Vault locks a user out after five failures, and forgets failures after 15 minutes without another
 * (Vault documentation, "User lockout"): so many in a row, and then pauses that are longer than that.
 */
const FAILURES_IN_A_ROW = 3;
/** Half of it is jitter: 16 to 32 minutes. */
const LOCKOUT_PAUSE = { baseMs: 2 * 16 * 60_000, capMs: 2 * 16 * 60_000 };

/** If two tokens in a row end sooner than this, the next login waits. */
const SHORT_LIFE_MS = 60_000;

/**
 * A node of Vault learns of a new token within milliseconds to seconds (Vault documentation, "Vault
 * eventual consistency"); one that is behind by more, such as after its own restart, within half a minute.
 */
const PATIENCE_MS = 30_000;
const MAX_PATIENCE_MS = 5 * 60_000;

/** How long to wait after failed logins, and after tokens that end right away. */
export class LoginBackoff {
  private refusals = 0;
  private outages = 0;
  private shortLives = 0;

  constructor(private readonly options: { readonly locksOut: boolean; readonly random?: () => number }) {}

  /** Failures in a row, of either kind. */
  get failures(): number {
    return this.refusals + this.outages;
  }

  /** @returns milliseconds until the next attempt. */
  afterRefusal(): number {
    this.outages = 0;
    this.refusals += 1;
    const pauses = this.options.locksOut && this.refusals >= FAILURES_IN_A_ROW;
    return this.wait(this.refusals - 1, pauses ? LOCKOUT_PAUSE : REFUSED);
  }

  /** @returns milliseconds until the next attempt. */
  afterOutage(): number {
    this.outages += 1;
    return this.wait(this.outages - 1, OUTAGE);
  }

  /**
   * How long after a login a refused token may not be replicated yet. Longer after each token that was dropped for this
   * reason, to allow for slow replication.
   */
  get patienceMs(): number {
    return Math.min(MAX_PATIENCE_MS, PATIENCE_MS * 2 ** Math.min(this.shortLives, 10));
  }

  /** @returns milliseconds until the next login; 0 unless tokens keep ending right after it. */
  afterDeath(ageMs: number): number {
    const isShort = ageMs < Math.max(SHORT_LIFE_MS, 2 * this.patienceMs);
    this.shortLives = isShort ? this.shortLives + 1 : 0;
    return this.shortLives < 2 ? 0 : this.wait(this.shortLives - 2, REFUSED);
  }

  succeeded(): void {
    this.refusals = 0;
    this.outages = 0;
  }

  private wait(attempt: number, pace: { readonly baseMs: number; readonly capMs: number }): number {
    const { random } = this.options;
    return backoffMs(attempt, { ...pace, ...(random === undefined ? {} : { random }) });
  }
}
