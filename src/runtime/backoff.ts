export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** In [0, 1); injected to make tests deterministic. */
  readonly random?: () => number;
}

/**
 * Exponential backoff with "equal jitter": attempt n (from 0) waits between half and all of
 * `min(cap, base * 2^n)` milliseconds.
 */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 40));
  const random = options.random ?? Math.random;
  return ceiling / 2 + (ceiling / 2) * random();
}
