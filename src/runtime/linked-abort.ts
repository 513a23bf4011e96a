import { setMaxListeners } from 'node:events';

import { systemClock } from './clock.js';

/**
 * A signal that aborts with the first of several, or after a time. `AbortSignal.any` does the same but
 * keeps what it made alive as long as its sources live (seen on Node 20: about a kilobyte each with a
 * signal that lives as long as the process); this one lets go on {@link dispose}.
 */
export class LinkedAbort {
  private readonly controller = new AbortController();
  private readonly cancelTimer: (() => void) | undefined;
  readonly signal = this.controller.signal;

  constructor(
    private readonly sources: readonly (AbortSignal | undefined)[],
    timeoutMs?: number,
  ) {
    // As many may listen as there are requests; there is no leak to be warned of.
    setMaxListeners(0, this.signal);
    for (const source of sources) {
      if (source?.aborted === true) this.abort();
      else source?.addEventListener('abort', this.abort, { once: true });
    }
    if (timeoutMs !== undefined && !this.signal.aborted) {
      this.cancelTimer = systemClock.setTimer(timeoutMs, this.abort);
    }
  }

  readonly abort = (): void => {
    this.controller.abort();
  };

  /** To be called when what the signal was for is over. */
  dispose(): void {
    this.cancelTimer?.();
    for (const source of this.sources) source?.removeEventListener('abort', this.abort);
  }
}
