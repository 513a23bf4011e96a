import type { DependencyContainer } from 'tsyringe';

import { keyOf } from '../api/resource-key.js';
import { TOKENS } from './tokens.js';

/** Of the grace period, what is kept back for events, the lease and the token after the last write. */
const TAIL_MS = 2_000;

/** Starts and ends the operator that a container holds. */
export class OperatorProgram {
  private stopped: Promise<number> | undefined;

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
    await container.resolve(TOKENS.metricsEndpoint)?.start();
    await container.resolve(TOKENS.healthEndpoint)?.start();
    container.resolve(TOKENS.vaultSession).start();
    const operator = container.resolve(TOKENS.operator);
    await operator.start();
    const elector = container.resolve(TOKENS.elector);
    elector?.start({
      onLeading: () => {
        this.work();
      },
      onStandby: () => {
        this.rest();
      },
    });
    void operator.whenSynced().then(() => {
      if (elector?.isLeading() === false)
        container.resolve(TOKENS.logger).info('all resources are known; standing by');
      this.work();
    });
  }

  /** Begins to sync once this replica leads and every resource of both kinds is known. */
  private work(): void {
    const { container } = this;
    const stopping = container.resolve(TOKENS.lifecycle).stopping.aborted;
    // Nothing is reconciled before both kinds are known: a partial not listed yet would look missing.
    if (stopping || !container.resolve(TOKENS.operator).synced()) return;
    const elector = container.resolve(TOKENS.elector);
    if (elector?.isLeading() === false) return;
    container.resolve(TOKENS.logger).info('all resources are known; syncing begins');
    const queue = container.resolve(TOKENS.queue);
    if (elector !== undefined) {
      container.resolve(TOKENS.reconciler).beginTerm();
      const cache = container.resolve(TOKENS.cache);
      for (const partial of cache.partials()) queue.add(keyOf(partial), 'resync');
      for (const secret of cache.secrets()) queue.add(keyOf(secret), 'resync');
    }
    queue.start();
    container.resolve(TOKENS.resync).start();
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
    const giveUp = setTimeout(
      () => {
        givenUp = true;
        lifecycle.giveUpNow();
      },
      shutdownGraceMs - Math.min(TAIL_MS, shutdownGraceMs / 4),
    );
    await container.resolve(TOKENS.queue).stop();
    await operator.whenStopped();
    clearTimeout(giveUp);
    const tail = AbortSignal.timeout(TAIL_MS);
    await container.resolve(TOKENS.events).drain(tail);
    // What was given up may still arrive: then the lease runs out instead.
    await elector?.stop({ release: !givenUp, signal: AbortSignal.timeout(TAIL_MS) });
    await container.resolve(TOKENS.vaultSession).stop(tail);
    container.resolve(TOKENS.kmsApi).close();
    await container.resolve(TOKENS.healthEndpoint)?.stop();
    await container.resolve(TOKENS.metricsEndpoint)?.stop();
    if (givenUp) logger.error('a request was given up because the grace period is over');
    else logger.info('stopped');
    return givenUp ? 1 : 0;
  }
}
