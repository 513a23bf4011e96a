import type { DependencyContainer } from 'tsyringe';

import { keyOf } from '../api/resource-key.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { TOKENS } from './tokens.js';

/** Of the grace period, what is kept back for events, the lease and the token after the last write. */
const TAIL_MS = 2_000;

/** Starts and ends the operator that a container holds. */
export class OperatorProgram {
  private stopped: Promise<number> | undefined;
  private saidWorking = false;
  private saidStandingBy = false;

  constructor(private readonly container: DependencyContainer) {}

  /**
   * Begins to work; Vault, KMS and the API server may be down.
   *
   * @throws ListenError when an address cannot be bound.
   */
  async start(): Promise<void> {
    const { container } = this;
    const { warnings } = container.resolve(TOKENS.config);
    for (const warning of warnings)
      container.resolve(TOKENS.logger).warn('configuration', { problem: warning });
    // Made before anything is served: gauges are right from the first scrape.
    const operator = container.resolve(TOKENS.operator);
    const elector = container.resolve(TOKENS.elector);
    await container.resolve(TOKENS.metricsEndpoint)?.start();
    await container.resolve(TOKENS.healthEndpoint)?.start();
    container.resolve(TOKENS.vaultSession).start();
    const queue = container.resolve(TOKENS.queue);
    container.resolve(TOKENS.freshness).onChange(() => {
      queue.wake();
      this.sayWhenListed();
    });
    container.resolve(TOKENS.stalls).start();
    await operator.start();
    if (elector === undefined) this.work();
    else {
      elector.start({
        onLeading: () => {
          this.lead();
        },
        onStandby: () => {
          this.rest();
        },
      });
    }
  }

  /**
   * Begins a term. What this replica knows may be older than what the last leader did: both kinds are
   * listed again, and the queue holds every key until that is done.
   */
  private lead(): void {
    const { container } = this;
    if (container.resolve(TOKENS.lifecycle).stopping.aborted) return;
    container.resolve(TOKENS.freshness).demand();
    container.resolve(TOKENS.reconciler).beginTerm();
    const queue = container.resolve(TOKENS.queue);
    const cache = container.resolve(TOKENS.cache);
    for (const partial of cache.partials()) queue.add(keyOf(partial), 'resync');
    for (const secret of cache.secrets()) queue.add(keyOf(secret), 'resync');
    this.work();
  }

  /** Begins to sync what is known and fresh. */
  private work(): void {
    const { container } = this;
    this.saidWorking = false;
    container.resolve(TOKENS.queue).start();
    container.resolve(TOKENS.resync).start();
    this.sayWhenListed();
  }

  private sayWhenListed(): void {
    const { container } = this;
    if (!container.resolve(TOKENS.freshness).allFresh()) return;
    const logger = container.resolve(TOKENS.logger);
    const leads = container.resolve(TOKENS.elector)?.isLeading() !== false;
    if (leads && !this.saidWorking) {
      this.saidWorking = true;
      logger.info('all resources are known; syncing begins');
    } else if (!leads && !this.saidStandingBy) {
      this.saidStandingBy = true;
      logger.info('all resources are known; standing by');
    }
  }

  /** Another replica may lead from now on: begins nothing more; what is in flight has been given up. */
  private rest(): void {
    const { container } = this;
    container.resolve(TOKENS.resync).stop();
    container.resolve(TOKENS.queue).pause();
    container.resolve(TOKENS.reconciler).endTerm();
  }

  /**
   * Takes no more keys, lets what is in flight finish within the grace period, and ends the rest.
   *
   * @returns the exit code: 0, or 1 when a request had to be given up.
   */
  stop(): Promise<number> {
    this.stopped ??= this.drain();
    return this.stopped;
  }

  private async drain(): Promise<number> {
    const { container } = this;
    const logger = container.resolve(TOKENS.logger);
    const lifecycle = container.resolve(TOKENS.lifecycle);
    const { shutdownGraceMs } = container.resolve(TOKENS.config);
    logger.info('shutting down', { graceSeconds: shutdownGraceMs / 1_000 });
    lifecycle.beginStop();
    const elector = container.resolve(TOKENS.elector);
    elector?.retire();
    container.resolve(TOKENS.resync).stop();
    const operator = container.resolve(TOKENS.operator);
    operator.stop();
    let givenUp = false;
    const clock = container.resolve(TOKENS.clock);
    const cancelGiveUp = clock.setTimer(shutdownGraceMs - Math.min(TAIL_MS, shutdownGraceMs / 4), () => {
      givenUp = true;
      lifecycle.giveUpNow();
    });
    await container.resolve(TOKENS.queue).stop();
    await operator.whenStopped();
    cancelGiveUp();
    const tail = new LinkedAbort([], TAIL_MS);
    await container.resolve(TOKENS.events).drain(tail.signal);
    // What was given up may still arrive: then the lease runs out instead.
    const release = new LinkedAbort([], TAIL_MS);
    await elector?.stop({ release: !givenUp, signal: release.signal });
    release.dispose();
    await container.resolve(TOKENS.vaultSession).stop(tail.signal);
    tail.dispose();
    container.resolve(TOKENS.kmsApi).close();
    container.resolve(TOKENS.stalls).stop();
    await container.resolve(TOKENS.healthEndpoint)?.stop();
    await container.resolve(TOKENS.metricsEndpoint)?.stop();
    if (givenUp) logger.error('a request was given up because the grace period is over');
    else logger.info('stopped');
    return givenUp ? 1 : 0;
  }
}
