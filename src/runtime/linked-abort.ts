import { onAbort, sharedAbort } from './abort.js';
import type { Clock } from './clock.js';

/**
 * A signal that aborts with the first of several, or after a time. `AbortSignal.any` does the same, but Node 20 keeps
 * what it made for as long as the sources live (measured with 20.20; nodejs/node issues 54614 and 55351 report leaks
 * in later versions too), and most sources here live as long as the process. This one leaves no trace
 * after {@link dispose}.
 */
export class LinkedAbort {
  private readonly controller = sharedAbort();
  private readonly releases: (() => void)[] = [];
  private cancelTimer: (() => void) | undefined;
  private overdue = false;
  readonly signal = this.controller.signal;

  constructor(sources: readonly (AbortSignal | undefined)[] = []) {
    for (const source of sources) this.follow(source);
  }

  /** Whether it was the time of {@link expireIn} that ended it. */
  get isOverdue(): boolean {
    return this.overdue;
  }

  /** Aborts when `source` does, or now if it has; with what `reason` returns, or an `AbortError`. */
  follow(source: AbortSignal | undefined, reason?: () => unknown): void {
    this.releases.push(
      onAbort(source, () => {
        this.abort(reason?.());
      }),
    );
  }

  /**
   * Aborts after `ms` milliseconds; replaces the time that was set before.
   *
   * @param reason called when the time is over; what it returns is the signal's reason.
   * @returns a function that cancels this.
   */
  expireIn(clock: Pick<Clock, 'setTimer'>, ms: number, reason?: () => unknown): () => void {
    this.cancelTimer?.();
    if (this.signal.aborted) return () => undefined;
    const cancel = clock.setTimer(ms, () => {
      if (this.signal.aborted) return;
      this.overdue = true;
      this.abort(reason?.());
    });
    this.cancelTimer = cancel;
    return cancel;
  }

  abort(reason?: unknown): void {
    this.controller.abort(reason);
  }

  /** Call this when the signal is not needed any more. */
  dispose(): void {
    this.cancelTimer?.();
    for (const release of this.releases.splice(0)) release();
  }
}
