import { inject, injectable } from 'tsyringe';

import { keyOf } from '../api/resource-key.js';
import type { LeaseElector } from '../kube/lease-elector.js';
import type { IndexedResourceCache } from '../kube/resource-cache.js';
import type { Logger } from '../observability/logger.js';
import type { ReconcileQueue } from '../queue/reconcile-queue.js';
import type { ResyncTimer } from '../queue/resync-timer.js';
import type { Processor } from '../queue/work-queue.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { LogOnce } from '../runtime/log-once.js';
import { TOKENS } from '../tokens.js';
import type { Freshness } from '../watch/freshness.js';

/** Runs the queue while this replica may write. */
@injectable()
export class OperatorWork {
  private readonly said = new LogOnce();

  constructor(
    @inject(TOKENS.queue) private readonly queue: ReconcileQueue,
    @inject(TOKENS.resync) private readonly resync: ResyncTimer,
    @inject(TOKENS.reconciler) private readonly reconciler: Reconciler,
    @inject(TOKENS.freshness) private readonly freshness: Freshness,
    @inject(TOKENS.cache) private readonly cache: IndexedResourceCache,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.lifecycle) private readonly lifecycle: Pick<Lifecycle, 'stopping' | 'givingUp'>,
    @inject(TOKENS.elector, { isOptional: true }) private readonly elector?: LeaseElector,
  ) {
    freshness.onChange(() => {
      queue.wake();
      this.logWhenListed();
    });
    freshness.onWaiting((waiting) => {
      queue.lend(waiting, 'list');
    });
  }

  /** Starts immediately, or at the start of each term with leader election. */
  start(): void {
    if (this.elector === undefined) this.work();
    else {
      this.elector.start({
        onLeading: () => {
          this.lead();
        },
        onStandby: () => {
          this.rest();
        },
      });
    }
  }

  /** Starts no more work; resolves when work in flight has ended. */
  async stop(): Promise<void> {
    this.resync.stop();
    await this.queue.stop();
  }

  /**
   * Starts a term. The cache may be older than the last leader's writes, so both kinds are listed again and the
   * queue holds every key until that is done.
   */
  private lead(): void {
    if (this.lifecycle.stopping.aborted) return;
    this.freshness.demand();
    this.reconciler.beginTerm();
    for (const partial of this.cache.partials()) this.queue.add(keyOf(partial), 'resync');
    for (const secret of this.cache.secrets()) this.queue.add(keyOf(secret), 'resync');
    this.work();
  }

  /** Starts syncing the resources whose cache is fresh. */
  private work(): void {
    this.said.clear('working');
    this.queue.start(this.process);
    this.resync.start();
    this.logWhenListed();
  }

  /** Another replica may lead from now on: starts no more work; requests in flight were aborted already. */
  private rest(): void {
    this.resync.stop();
    this.queue.pause();
    this.reconciler.endTerm();
  }

  private readonly process: Processor = (key, priority) =>
    this.reconciler.reconcile(key, priority, this.lifecycle.givingUp);

  private logWhenListed(): void {
    if (!this.freshness.allFresh()) return;
    const leads = this.elector?.isLeading() !== false;
    if (leads) {
      if (this.said.isNew('working')) this.logger.info('initial list complete; starting to sync');
    } else if (this.said.isNew('standing by')) {
      this.logger.info('initial list complete; standing by');
    }
  }
}
