import type { DependencyContainer } from 'tsyringe';

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
    // Nothing is reconciled before both kinds are known: a partial not listed yet would look missing.
    void operator.whenSynced().then(() => {
      if (container.resolve(TOKENS.lifecycle).stopping.aborted) return;
      container.resolve(TOKENS.logger).info('all resources are known; syncing begins');
      container.resolve(TOKENS.queue).start();
      container.resolve(TOKENS.resync).start();
    });
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
    container.resolve(TOKENS.resync).stop();
    const operator = container.resolve(TOKENS.operator);
    operator.stop();
    let givenUp = false;
    const giveUp = setTimeout(
      () => {
        givenUp = true;
        lifecycle.giveUpNow();
      },
      Math.max(0, shutdownGraceMs - TAIL_MS),
    );
    await container.resolve(TOKENS.queue).stop();
    await operator.whenStopped();
    clearTimeout(giveUp);
    const tail = AbortSignal.timeout(TAIL_MS);
    await container.resolve(TOKENS.events).drain(tail);
    await container.resolve(TOKENS.vaultSession).stop(tail);
    container.resolve(TOKENS.kmsApi).close();
    await container.resolve(TOKENS.healthEndpoint)?.stop();
    await container.resolve(TOKENS.metricsEndpoint)?.stop();
    if (givenUp) logger.error('a request was given up because the grace period is over');
    else logger.info('stopped');
    return givenUp ? 1 : 0;
  }
}
