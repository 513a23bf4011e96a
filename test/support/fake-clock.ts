import type { Clock } from '../../src/runtime/clock.js';

/** Time that moves only when a test says so. */
export class FakeClock implements Clock {
  private nowMs = 0;
  private readonly timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  /**
   * @param earlyMs so much too early timers call back, as those of Node do by a fraction of a millisecond;
   *   one that is shorter than that is on time, so that time moves on.
   */
  constructor(
    private readonly startsAt = new Date('2026-01-01T00:00:00Z'),
    private readonly earlyMs = 0,
  ) {}

  now(): Date {
    return new Date(this.startsAt.getTime() + this.nowMs);
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + Math.max(ms - this.earlyMs, Math.min(ms, this.earlyMs)), callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Milliseconds until each timer that is set, soonest first. */
  get waiting(): number[] {
    return [...this.timers].map((timer) => timer.atMs - this.nowMs).sort((a, b) => a - b);
  }

  /**
   * Moves on, calling back in order; what each call began is clear before time moves on.
   *
   * @param over waits for that. The default is enough for promises alone; what goes clear a real socket takes
   *   longer, and its time limits are on this clock.
   */
  async advance(ms: number, over: () => Promise<void> = settled): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const due = [...this.timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.callback();
      await over();
    }
    this.nowMs = untilMs;
    await over();
  }
}

/** Lets everything that waits for promises only come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
