import { onAbort } from './abort.js';

/** Time as the operator sees it; tests inject their own. */
export interface Clock {
  /** Wall clock, for timestamps that people read. */
  now(): Date;
  /** Monotonic milliseconds, which continue while the process is stopped. For all deadlines. */
  monotonicMs(): number;
  /**
   * Calls back once after `ms`, however many; the returned function cancels. A clock may call back a
   * fraction of a millisecond early: a callback that looks at a deadline sets itself again (`Alarm`).
   */
  setTimer(ms: number, callback: () => void): () => void;
}

/** The longest time that a timer of Node holds; a longer one fires at once (Node documentation, Timers). */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The time sources of a process. */
export interface TimerHost {
  monotonicMs(): number;
  setTimeout(callback: () => void, ms: number): NodeJS.Timeout;
  clearTimeout(timer: NodeJS.Timeout): void;
}

const nodeHost: TimerHost = {
  monotonicMs: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => {
    clearTimeout(timer);
  },
};

/**
 * The clock of a process, and the only place that sets timers for waits that a peer or a variable determines. Node
 * measures timers in whole milliseconds from the start of an event loop iteration, so that one may fire early; the
 * rest is then waited for. Waits beyond {@link MAX_TIMER_MS} are split.
 */
export class SystemClock implements Clock {
  constructor(private readonly host: TimerHost = nodeHost) {}

  now(): Date {
    return new Date();
  }

  monotonicMs(): number {
    return this.host.monotonicMs();
  }

  setTimer(ms: number, callback: () => void): () => void {
    const { host } = this;
    const dueMs = host.monotonicMs() + ms;
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      timer = host.setTimeout(look, leftMs > 0 ? Math.min(Math.ceil(leftMs), MAX_TIMER_MS) : 0);
    };
    const look = (): void => {
      const leftMs = dueMs - host.monotonicMs();
      if (leftMs > 0) arm(leftMs);
      else callback();
    };
    arm(ms);
    return () => {
      host.clearTimeout(timer);
    };
  }
}

export const systemClock: Clock = new SystemClock();

/** Resolves after `ms`, or immediately when `signal` aborts; never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      stop();
      resolve();
    };
    const cancel = clock.setTimer(ms, done);
    const stop = onAbort(signal, done);
  });
}
