import type { Clock } from '../runtime/clock.js';
import { ServedRate } from './served-rate.js';

/** After a throttled answer the pace begins so far below what KMS has served, and rises so far above it. */
const SWING = 0.05;
/** Half of the time from one look for more to the next. */
const HALF_CYCLE_MS = 2_000;
/** When the look for more finds no limit, the pace doubles in this time. */
const DOUBLING_MS = 1_000;
/** Less than any quota of KMS; so little is always asked, so that its end is noticed soon. */
const MIN_PER_SECOND = 5;
/** Where the search begins when next to nothing was asked before the first throttled answer. */
const FIRST_GUESS_PER_SECOND = 10;
/** Far beyond any quota of KMS for one account and region: the limit is gone. */
const UNLIMITED_PER_SECOND = 20_000;
/** A cut goes this far down at most: what has been served lately may be little because little was asked. */
const MAX_CUT = 0.5;
/** After a throttled answer nothing is sent for so long, so that KMS's own budget is not empty at once. */
const PAUSE_MS = 50;
/** A late timer is made up for by so much. */
const MAX_CATCH_UP_MS = 50;

/** Of a request that was sent; a limit that is already known is not found again by it. */
export interface Ticket {
  readonly epoch: number;
}

/**
 * How fast KMS may be asked, for everybody in the process. Without a limit until KMS answers that a quota
 * is used up; then at the rate that it was seen to serve, swinging around it as CUBIC does (RFC 9438), but
 * in proportion to the rate, so that it fits quotas of one and of ten thousand per second alike: a little
 * below at first, level for a while, then a look for more. Others use the quota of an account too, so it is
 * never known for good.
 */
export class RequestPacer {
  private readonly served: ServedRate;
  /** The rate that the pace swings around; undefined: no limit is known. */
  private aim: number | undefined;
  private epoch = 0;
  /** How long the pace has been made use of since the last cut; idle time finds nothing out. */
  private usedMs = 0;
  private nextAtMs = 0;
  private lastSentAtMs = 0;

  constructor(private readonly clock: Clock) {
    this.served = new ServedRate(clock);
  }

  /** Whether a limit is known and kept. */
  get limiting(): boolean {
    return this.aim !== undefined;
  }

  /** Requests per second at this moment. */
  get perSecond(): number {
    const { aim } = this;
    if (aim === undefined) return Number.POSITIVE_INFINITY;
    const phase = this.usedMs / HALF_CYCLE_MS;
    if (phase <= 2) return aim * (1 + SWING * (phase - 1) ** 3);
    return aim * (1 + SWING) * 2 ** ((this.usedMs - 2 * HALF_CYCLE_MS) / DOUBLING_MS);
  }

  /** Milliseconds until the next request may be sent; 0: now. */
  delayMs(): number {
    if (this.aim === undefined) return 0;
    const delayMs = this.nextAtMs - this.clock.monotonicMs();
    // Less is an error of rounding, and no timer is that exact.
    return delayMs < 0.01 ? 0 : delayMs;
  }

  /** To be called for every request that is sent. */
  sent(): Ticket {
    const now = this.clock.monotonicMs();
    if (this.aim !== undefined) {
      const intervalMs = 1_000 / this.perSecond;
      this.usedMs += Math.min(now - this.lastSentAtMs, 2 * intervalMs);
      this.nextAtMs = Math.max(this.nextAtMs, now - MAX_CATCH_UP_MS) + intervalMs;
      if (this.perSecond > UNLIMITED_PER_SECOND) this.aim = undefined;
    }
    this.lastSentAtMs = now;
    return { epoch: this.epoch };
  }

  /** KMS has done what the request asked, or refused it for a reason of its own: the quota was not used up. */
  wasServed(): void {
    this.served.add();
  }

  /** KMS has answered that a quota is used up. Answers to requests of the same moment count once. */
  wasThrottled({ epoch }: Ticket): void {
    if (epoch !== this.epoch) return;
    const before = this.perSecond;
    const served = this.served.perSecond();
    const aim =
      before === Number.POSITIVE_INFINITY
        ? Math.max(served, FIRST_GUESS_PER_SECOND)
        : clamp(served, before * MAX_CUT, before);
    this.aim = Math.max(MIN_PER_SECOND, aim);
    this.epoch += 1;
    this.usedMs = 0;
    this.nextAtMs = this.clock.monotonicMs() + PAUSE_MS;
    this.lastSentAtMs = this.nextAtMs;
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
