import { injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import { sharedAbort } from './abort.js';

/** The two steps of ending: first nothing new begins, then what is still in flight is given up. */
@injectable()
export class Lifecycle implements ReadinessCheck {
  /** The readiness check. */
  readonly name = 'running';
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

  problem(): string | undefined {
    return this.stopping.aborted ? 'shutting down' : undefined;
  }
}
