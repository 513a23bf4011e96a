import type { Clock } from '../../../src/runtime/clock.js';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly clock: SimulatedClock;
  readonly callback: () => void;
}

/** One time line for several processes; it moves only when the test moves it. */
export class SimulatedTime {
  nowMs = 0;
  private timers: Timer[] = [];
  private order = 0;

  clock(wallOffsetMs = 0): SimulatedClock {
    return new SimulatedClock(this, wallOffsetMs);
  }

  add(clock: SimulatedClock, ms: number, callback: () => void): () => void {
    const timer = { atMs: this.nowMs + ms, order: (this.order += 1), clock, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  /** Runs every timer that is due within `ms`, in order; those of frozen clocks wait for their thaw. */
  async advance(ms: number, afterEach: () => void = () => undefined): Promise<void> {
    const endMs = this.nowMs + ms;
    await settled();
    for (;;) {
      const [next] = this.timers
        .filter((timer) => timer.atMs <= endMs && !timer.clock.frozen)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
      await settled();
      afterEach();
    }
    this.nowMs = endMs;
    afterEach();
  }
}

/** The clocks of one process. */
export class SimulatedClock implements Clock {
  /** As by SIGSTOP: time goes on, the process does not. */
  frozen = false;

  constructor(
    private readonly time: SimulatedTime,
    private readonly wallOffsetMs: number,
  ) {}

  now(): Date {
    return new Date(Date.UTC(2024, 0, 1) + this.time.nowMs + this.wallOffsetMs);
  }

  monotonicMs(): number {
    return this.time.nowMs + 1_000_000;
  }

  setTimer(ms: number, callback: () => void): () => void {
    return this.time.add(this, ms, callback);
  }
}

/** Everything that promises still have to do has been done. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
