import type { Clock } from '../runtime/clock.js';
import { ServedRate } from './served-rate.js';

/** After a throttled answer the pace starts this far below the served rate, and rises this far above it. */
const SWING = 0.05;
/** Half of the time between two probes for a higher rate. */
const HALF_CYCLE_MS = 2_000;
/** When a probe finds no limit, the pace doubles in this time. */
const DOUBLING_MS = 1_000;
/** Below any quota of KMS; this rate is always allowed, so that the end of throttling is noticed. */
const MIN_PER_SECOND = 5;
/** The start of the search when almost no request preceded the first throttled answer. */
const FIRST_GUESS_PER_SECOND = 10;
/** Far above any quota of KMS for one account and region: the limit is lifted. */
const UNLIMITED_PER_SECOND = 20_000;
/** The lower bound of a cut: the served rate may be low because few requests were sent. */
const MAX_CUT = 0.5;
/** The pause after a throttled answer, so that the budget of KMS refills a little. */
const PAUSE_MS = 50;
/** A late timer is compensated by at most this much. */
const MAX_CATCH_UP_MS = 50;

/** Of a request that was sent; a limit that is already known is not found again by it. */
export interface Ticket {
  readonly epoch: number;
}

/**
 * The pace of requests to KMS, shared by the whole process. There is no limit until KMS throttles a request. Then the
 * pace follows the rate that KMS was seen to serve, in the way of CUBIC (RFC 9438) but in proportion to the rate, so
 * that it fits quotas of one and of ten thousand requests per second: it starts a little below that rate, stays level
 * for a while, then rises to probe for more. Other clients share the quota of the account, so the limit is never
 * final.
 */
export class RequestPacer {
  private readonly served: ServedRate;
  /** The rate that the pace swings around; undefined: no limit is known. */
  private aim: number | undefined;
  private epoch = 0;
  /** How long the pace has been used since the last cut; idle time does not count. */
  private usedMs = 0;
  private nextAtMs = 0;
  private lastSentAtMs = 0;

  constructor(private readonly clock: Clock) {
    this.served = new ServedRate(clock);
  }

  /** Whether a limit is known and applied. */
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
    // A smaller delay is a rounding error, and no timer is that exact.
    return delayMs < 0.01 ? 0 : delayMs;
  }

  /** Call this for every request that is sent. */
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

  /** KMS served the request, or refused it for another reason than the quota. */
  wasServed(): void {
    this.served.add();
  }

  /** KMS throttled the request. Answers to requests of the same moment count once. */
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
