import { injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import { sharedAbort } from './abort.js';

/** The two steps of a shutdown: first nothing new starts, then requests in flight are aborted. */
@injectable()
export class Lifecycle implements ReadinessCheck {
  /** The readiness check. */
  readonly name = 'running';
  private readonly stop = sharedAbort();
  private readonly giveUp = sharedAbort();

  /** Aborted when the shutdown starts: no new attempts from then on. */
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
