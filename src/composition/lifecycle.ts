import { sharedAbort } from '../runtime/shared-abort.js';

/** The two steps of ending: first nothing new begins, then what is still in flight is given up. */
export class Lifecycle {
  private readonly stop = sharedAbort();
  private readonly giveUp = sharedAbort();

  /** Aborted when the process begins to end: no new attempts from here on. */
  readonly stopping = this.stop.signal;
  /** Aborted when the grace period is over. */
  readonly givingUp = this.giveUp.signal;

  beginStop(): void {
    this.stop.abort();
  }

  giveUpNow(): void {
    this.giveUp.abort();
  }
}
