import type { Clock } from './clock.js';

/**
 * One thing that is due at a time. It calls back when the clock has reached the deadline and not before:
 * a timer that fires early is set again for what is left, so that nothing due is ever without a timer.
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
