import type { Clock } from '../runtime/clock.js';

/**
 * Aborts after a time or with any of several signals. Signals that live as long as the process are left
 * without a trace at the end, which `AbortSignal.any` does not do on every supported Node.
 */
export class TimeLimit {
  private readonly controller = new AbortController();
  private readonly cancelTimer: () => void;
  private readonly sources: readonly AbortSignal[];
  private readonly onAbort = (): void => {
    this.controller.abort();
  };
  /** Whether it was the time that ended it. */
  isOver = false;

  constructor(clock: Clock, ms: number, sources: readonly (AbortSignal | undefined)[]) {
    this.sources = sources.filter((source) => source !== undefined);
    this.cancelTimer = clock.setTimer(ms, () => {
      this.isOver = true;
      this.controller.abort();
    });
    for (const source of this.sources) {
      if (source.aborted) this.controller.abort();
      else source.addEventListener('abort', this.onAbort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  end(): void {
    this.cancelTimer();
    for (const source of this.sources) source.removeEventListener('abort', this.onAbort);
  }
}
