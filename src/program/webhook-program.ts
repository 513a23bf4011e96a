import { inject, injectable } from 'tsyringe';

import type { AdmissionServer } from '../admission/admission-server.js';
import type { AwsKmsApi } from '../kms/kms-client.js';
import type { HttpEndpoint } from '../observability/http-endpoint.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { TOKENS } from '../tokens.js';

/** The part of the grace period reserved for answering aborted reviews. */
const TAIL_MS = 1_000;

/** Starts and stops the webhook. */
@injectable()
export class WebhookProgram {
  private stopped: Promise<number> | undefined;

  constructor(
    @inject(TOKENS.server) private readonly server: AdmissionServer,
    @inject(TOKENS.kmsApi) private readonly kms: Pick<AwsKmsApi, 'close'>,
    @inject(TOKENS.lifecycle) private readonly lifecycle: Lifecycle,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.warnings) private readonly warnings: readonly string[],
    @inject(TOKENS.shutdownGraceMs) private readonly graceMs: number,
    @inject(TOKENS.metricsEndpoint, { isOptional: true }) private readonly endpoint?: HttpEndpoint,
  ) {}

  /** @throws ListenError when an address cannot be bound. */
  async start(): Promise<void> {
    for (const problem of this.warnings) this.logger.warn('configuration', { problem });
    await this.endpoint?.start();
    await this.server.start();
  }

  /**
   * Accepts no more requests, answers those in flight within the grace period, and closes the rest.
   *
   * @returns the exit code: 0, or 1 when a connection had to be cut.
   */
  stop(): Promise<number> {
    this.stopped ??= this.drain();
    return this.stopped;
  }

  private async drain(): Promise<number> {
    const { logger, lifecycle, server, clock, graceMs } = this;
    logger.info('shutting down', { graceSeconds: graceMs / 1_000 });
    lifecycle.beginStop();
    let wasCut = false;
    const cancelGiveUp = clock.setTimer(Math.max(0, graceMs - TAIL_MS), () => {
      lifecycle.giveUpNow();
    });
    const cancelCut = clock.setTimer(graceMs, () => {
      wasCut = true;
      server.cut();
    });
    await server.drain();
    cancelGiveUp();
    cancelCut();
    this.kms.close();
    await this.endpoint?.stop();
    if (wasCut) logger.error('closed open connections because the shutdown grace period is over');
    else logger.info('stopped');
    return wasCut ? 1 : 0;
  }
}
