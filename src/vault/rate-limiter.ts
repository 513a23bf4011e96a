import { type Clock, sleep } from '../runtime/clock.js';

/** A token bucket: `perSecond` requests on average, up to `burst` at once. */
export class RateLimiter {
  private tokens: number;
  private updatedMs: number;

  constructor(
    private readonly limit: { readonly perSecond: number; readonly burst: number },
    private readonly clock: Clock,
  ) {
    this.tokens = limit.burst;
    this.updatedMs = clock.monotonicMs();
  }

  /** Resolves when the next request may go, in order of arrival; at once when `signal` aborts. */
  async take(signal?: AbortSignal): Promise<void> {
    const now = this.clock.monotonicMs();
    const refilled = this.tokens + ((now - this.updatedMs) / 1_000) * this.limit.perSecond;
    this.tokens = Math.min(this.limit.burst, refilled) - 1;
    this.updatedMs = now;
    // A debt is somebody's place in the line.
    if (this.tokens < 0) await sleep(this.clock, (-this.tokens / this.limit.perSecond) * 1_000, signal);
  }
}
