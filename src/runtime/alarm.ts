import type { Clock } from './clock.js';

/**
 * A timer with one deadline. It never calls back before the deadline: if Node's timer fires early, it is set again for
 * the rest.
 */
export class Alarm {
  private cancel: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  /** Replaces what was set before. */
  setIn(ms: number, callback: () => void): void {
    this.clear();
    this.arm(this.clock.monotonicMs() + ms, callback);
  }

  clear(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private arm(dueMs: number, callback: () => void): void {
    this.cancel = this.clock.setTimer(Math.max(0, dueMs - this.clock.monotonicMs()), () => {
      this.cancel = undefined;
      if (this.clock.monotonicMs() < dueMs) this.arm(dueMs, callback);
      else callback();
    });
  }
}
