import type { Clock } from '../runtime/clock.js';

interface Bucket {
  tokens: number;
  at: number;
}

export interface EventBudgetOptions {
  readonly clock: Clock;
  /** The burst per object. */
  readonly burst: number;
  /** The interval for one more event. */
  readonly refillMs: number;
  /** Limit on remembered objects; the least recently used one is dropped first. */
  readonly maxObjects: number;
}

/** A token bucket per object, so that no object floods the API server. */
export class EventBudget {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly options: EventBudgetOptions) {}

  /** Takes one event from the budget of the object; false when the budget is used up. */
  take(object: string): boolean {
    const { clock, burst, refillMs, maxObjects } = this.options;
    const now = clock.monotonicMs();
    const bucket = this.buckets.get(object) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    bucket.at = now;
    this.buckets.delete(object);
    this.buckets.set(object, bucket);
    const [oldest] = this.buckets.keys();
    if (this.buckets.size > maxObjects && oldest !== undefined) this.buckets.delete(oldest);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
