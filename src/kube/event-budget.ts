import type { Clock } from '../runtime/clock.js';

interface Bucket {
  tokens: number;
  at: number;
}

export interface EventBudgetOptions {
  readonly clock: Clock;
  /** So many events at once per object. */
  readonly burst: number;
  /** Then one more after each interval. */
  readonly refillMs: number;
  /** Objects that are remembered; the one longest silent is forgotten first. */
  readonly maxObjects: number;
}

/** A token bucket per object, so that one of them cannot flood the API server. */
export class EventBudget {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly options: EventBudgetOptions) {}

  /** Takes one event from the object's budget; false when there is none left. */
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
