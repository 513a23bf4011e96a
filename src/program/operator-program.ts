import { inject, injectable } from 'tsyringe';

import type { AwsKmsApi } from '../kms/kms-client.js';
import type { EventRecorder } from '../kube/event-recorder.js';
import type { LeaseElector } from '../kube/lease-elector.js';
import type { HttpEndpoint } from '../observability/http-endpoint.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import type { StallDetector } from '../runtime/stall-detector.js';
import { TOKENS } from '../tokens.js';
import type { VaultSession } from '../vault/vault-session.js';
import type { Freshness } from '../watch/freshness.js';
import type { SecretOperator } from '../watch/secret-operator.js';
import type { OperatorWork } from './operator-work.js';

/** The part of the grace period reserved for events, the lease and the token after the last write. */
const TAIL_MS = 2_000;

/** Starts and stops the operator. Everything exists before it serves, so gauges are right from the first scrape. */
@injectable()
export class OperatorProgram {
  private stopped: Promise<number> | undefined;

  constructor(
    @inject(TOKENS.operator) private readonly operator: SecretOperator,
    @inject(TOKENS.work) private readonly work: OperatorWork,
    @inject(TOKENS.vaultSession) private readonly session: VaultSession,
    @inject(TOKENS.kmsApi) private readonly kms: Pick<AwsKmsApi, 'close'>,
    @inject(TOKENS.events) private readonly events: EventRecorder,
    @inject(TOKENS.freshness) private readonly freshness: Freshness,
    @inject(TOKENS.stalls) private readonly stalls: StallDetector,
    @inject(TOKENS.lifecycle) private readonly lifecycle: Lifecycle,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.warnings) private readonly warnings: readonly string[],
    @inject(TOKENS.shutdownGraceMs) private readonly graceMs: number,
    @inject(TOKENS.elector, { isOptional: true }) private readonly elector?: LeaseElector,
    @inject(TOKENS.metricsEndpoint, { isOptional: true }) private readonly metricsEndpoint?: HttpEndpoint,
    @inject(TOKENS.healthEndpoint, { isOptional: true }) private readonly healthEndpoint?: HttpEndpoint,
  ) {}

  /**
   * Starts working; Vault, KMS and the API server may be down.
   *
   * @throws ListenError when an address cannot be bound.
   */
  async start(): Promise<void> {
    for (const problem of this.warnings) this.logger.warn('configuration', { problem });
    await this.metricsEndpoint?.start();
    await this.healthEndpoint?.start();
    this.session.start();
    this.stalls.start({
      onStall: (stalledMs) => {
        const facts = { seconds: Math.round(stalledMs / 1_000) };
        this.logger.warn('the process was suspended; relisting all resources', facts);
        this.freshness.demand();
      },
      onBeat: () => {
        this.freshness.beat();
      },
    });
    await this.operator.start();
    this.work.start();
  }

  /**
   * Accepts no more keys, lets work in flight finish within the grace period, and aborts the rest.
   *
   * @returns the exit code: 0, or 1 when a request had to be given up.
   */
  stop(): Promise<number> {
    this.stopped ??= this.drain();
    return this.stopped;
  }

  private async drain(): Promise<number> {
    const { logger, lifecycle, elector, operator, graceMs } = this;
    logger.info('shutting down', { graceSeconds: graceMs / 1_000 });
    lifecycle.beginStop();
    elector?.retire();
    operator.stop();
    let givenUp = false;
    const cancelGiveUp = this.clock.setTimer(graceMs - Math.min(TAIL_MS, graceMs / 4), () => {
      givenUp = true;
      lifecycle.giveUpNow();
    });
    await this.work.stop();
    await operator.whenStopped();
    cancelGiveUp();
    const tail = new LinkedAbort();
    tail.expireIn(this.clock, TAIL_MS);
    await this.events.drain(tail.signal);
    // An aborted request may still reach its server, so the lease is left to expire instead.
    const release = new LinkedAbort();
    release.expireIn(this.clock, TAIL_MS);
    await elector?.stop({ release: !givenUp, signal: release.signal });
    release.dispose();
    await this.session.stop(tail.signal);
    tail.dispose();
    this.kms.close();
    this.stalls.stop();
    await this.healthEndpoint?.stop();
    await this.metricsEndpoint?.stop();
    if (givenUp) logger.error('cancelled requests in flight because the shutdown grace period is over');
    else logger.info('stopped');
    return givenUp ? 1 : 0;
  }
}
