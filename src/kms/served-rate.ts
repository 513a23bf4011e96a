import type { Clock } from '../runtime/clock.js';

const WINDOW_MS = 1_000;
/** The minimum sample: this many requests are used, however long they took. */
const MIN_SAMPLE = 20;
/** Older requests are ignored. */
const MAX_AGE_MS = 10_000;

/** The rate at which KMS has recently served requests. */
export class ServedRate {
  /** When requests were served, oldest first: those of the window, at least the last {@link MIN_SAMPLE}. */
  private times: number[] = [];
  private first = 0;

  constructor(private readonly clock: Clock) {}

  add(): void {
    const now = this.clock.monotonicMs();
    this.times.push(now);
    while (this.at(0) <= now - this.horizonMs(this.times.length - this.first)) this.first += 1;
    if (this.first > 1_000 && this.first * 2 > this.times.length) {
      this.times = this.times.slice(this.first);
      this.first = 0;
    }
  }

  /** Requests per second; 0 if none was served recently. */
  perSecond(): number {
    const count = this.times.length - this.first;
    if (count === 0) return 0;
    const now = this.clock.monotonicMs();
    let skipped = 0;
    while (skipped < count && this.at(skipped) <= now - this.horizonMs(count - skipped)) skipped += 1;
    if (skipped === count) return 0;
    const spanMs = Math.max(WINDOW_MS, now - this.at(skipped));
    return ((count - skipped) * 1_000) / spanMs;
  }

  private horizonMs(count: number): number {
    return count > MIN_SAMPLE ? WINDOW_MS : MAX_AGE_MS;
  }

  private at(index: number): number {
    return this.times[this.first + index] ?? 0;
  }
}
