import type { DependencyContainer } from 'tsyringe';

import { WEBHOOK_TOKENS } from './webhook-container.js';

/** Of the grace period, what is kept back for the answers of reviews that are given up. */
const TAIL_MS = 1_000;

/** Starts and ends the webhook that a container holds. */
export class WebhookProgram {
  private stopped: Promise<number> | undefined;

  constructor(private readonly container: DependencyContainer) {}

  /** @throws ListenError when an address cannot be bound. */
  async start(): Promise<void> {
    const { container } = this;
    const { warnings } = container.resolve(WEBHOOK_TOKENS.config);
    for (const warning of warnings) {
      container.resolve(WEBHOOK_TOKENS.logger).warn('configuration', { problem: warning });
    }
    await container.resolve(WEBHOOK_TOKENS.endpoint)?.start();
    await container.resolve(WEBHOOK_TOKENS.server).start();
  }

  /**
   * Accepts no more, answers what is in flight within the grace period, and cuts the rest.
   *
   * @returns the exit code: 0, or 1 when a connection had to be cut.
   */
  stop(): Promise<number> {
    this.stopped ??= this.drain();
    return this.stopped;
  }

  private async drain(): Promise<number> {
    const { container } = this;
    const logger = container.resolve(WEBHOOK_TOKENS.logger);
    const lifecycle = container.resolve(WEBHOOK_TOKENS.lifecycle);
    const server = container.resolve(WEBHOOK_TOKENS.server);
    const { shutdownGraceMs } = container.resolve(WEBHOOK_TOKENS.config);
    logger.info('shutting down', { graceSeconds: shutdownGraceMs / 1_000 });
    lifecycle.beginStop();
    let wasCut = false;
    const clock = container.resolve(WEBHOOK_TOKENS.clock);
    const cancelGiveUp = clock.setTimer(Math.max(0, shutdownGraceMs - TAIL_MS), () => {
      lifecycle.giveUpNow();
    });
    const cancelCut = clock.setTimer(shutdownGraceMs, () => {
      wasCut = true;
      server.cut();
    });
    await server.drain();
    cancelGiveUp();
    cancelCut();
    container.resolve(WEBHOOK_TOKENS.kmsApi).close();
    await container.resolve(WEBHOOK_TOKENS.endpoint)?.stop();
    if (wasCut) logger.error('a connection was cut because the grace period is over');
    else logger.info('stopped');
    return wasCut ? 1 : 0;
  }
}
