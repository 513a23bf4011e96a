import { setMaxListeners } from 'node:events';

/** The two steps of ending: first nothing new begins, then what is still in flight is given up. */
export class Lifecycle {
  private readonly stop = new AbortController();
  private readonly giveUp = new AbortController();

  /** Aborted when the process begins to end: no new attempts from here on. */
  readonly stopping = this.stop.signal;
  /** Aborted when the grace period is over. */
  readonly givingUp = this.giveUp.signal;

  constructor() {
    // Every request in flight listens.
    setMaxListeners(0, this.stopping, this.givingUp);
  }

  beginStop(): void {
    this.stop.abort();
  }

  giveUpNow(): void {
    this.giveUp.abort();
  }
}
