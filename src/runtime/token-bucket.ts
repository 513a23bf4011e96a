import type { Clock } from './clock.js';

export interface TokenBucketOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** How many tokens a full bucket holds; it starts full. */
  readonly burst: number;
  /** The time in which one token is added, in milliseconds. */
  readonly refillMs: number;
}

/** Allows `burst` of something at once, and one more per `refillMs` on average. */
export class TokenBucket {
  private tokens: number;
  private updatedMs: number;

  constructor(private readonly options: TokenBucketOptions) {
    this.tokens = options.burst;
    this.updatedMs = options.clock.monotonicMs();
  }

  /** Takes a token. @returns false, and takes nothing, when there is no whole one. */
  take(): boolean {
    this.refill();
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /**
   * Takes a token even if there is none yet; the debt makes later callers wait longer.
   *
   * @returns for how many milliseconds the caller must wait; 0: not at all.
   */
  reserve(): number {
    this.refill();
    this.tokens -= 1;
    return Math.max(0, -this.tokens * this.options.refillMs);
  }

  private refill(): void {
    const { clock, burst, refillMs } = this.options;
    const nowMs = clock.monotonicMs();
    this.tokens = Math.min(burst, this.tokens + (nowMs - this.updatedMs) / refillMs);
    this.updatedMs = nowMs;
  }
}
