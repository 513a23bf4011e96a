import { randomUUID } from 'node:crypto';

import { inject, injectable } from 'tsyringe';

import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { namedWaitMs } from '../runtime/wait-limits.js';
import type { WriteGate } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { LEASE_NAME, LeaseClient } from './lease-client.js';
import { LeaseEvents } from './lease-events.js';
import { LeaseGate } from './lease-gate.js';
import { leaseProblem, LeaseProblems } from './lease-problem.js';
import { LeaseObservation } from './lease-observation.js';
import { heldSpec, type LeaseObject, recordOf, releasedSpec } from './lease-record.js';
import {
  LEASE_DURATION_MS,
  type LeaseSettings,
  RENEW_DEADLINE_MS,
  RETRY_PERIOD_MS,
} from './lease-settings.js';

/**
 * In retry periods: a newly created lease is renewed once before its holder leads. A previous leader whose lease
 * was deleted has seen the new one by then.
 */
const PROBATION = 1.25;
/** After this many lost races in a row, wait for the next round. */
const MAX_CONFLICTS = 3;

/** Called at each change of leadership. Must not throw. */
export interface LeadershipListener {
  readonly onLeading: () => void;
  readonly onStandby: () => void;
}

/**
 * Leader election with a `Lease`, compatible with client-go. Timestamps of other replicas are never compared with
 * the local clock: a foreign record is valid for its duration since it was first observed. A leader that loses
 * the lease becomes a standby.
 */
@injectable()
export class LeaseElector implements WriteGate {
  readonly identity: string;
  private readonly leaseGate: LeaseGate;
  private readonly lease: LeaseClient;
  private readonly events: LeaseEvents;
  private readonly problems: LeaseProblems;
  private readonly leaseDurationMs: number;
  private readonly renewDeadlineMs: number;
  private readonly retryPeriodMs: number;
  private readonly random: () => number;
  private listener: LeadershipListener | undefined;
  /** The lease as last read or written. */
  private current: LeaseObject | undefined;
  private readonly observed: LeaseObservation;
  private leading = false;
  private onProbation = false;
  private lastRenewalMs = 0;
  private retired = false;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    /** A separate client whose gate is always open: the lease is written while the write gate is closed. */
    @inject(TOKENS.leaseClient) private readonly client: Pick<KubeClient, 'request'>,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'leader' | 'leaderTransitions' | 'leaderLastRenewal'>,
    @inject(TOKENS.leaseNamespace) private readonly namespace: string,
    @inject(TOKENS.hostname) hostname: string,
    @inject(TOKENS.leaseSettings, { isOptional: true }) settings: LeaseSettings = {},
  ) {
    this.identity = settings.identity ?? `${hostname}_${randomUUID()}`;
    this.leaseDurationMs = settings.leaseDurationMs ?? LEASE_DURATION_MS;
    this.renewDeadlineMs = settings.renewDeadlineMs ?? RENEW_DEADLINE_MS;
    this.retryPeriodMs = settings.retryPeriodMs ?? RETRY_PERIOD_MS;
    this.random = settings.random ?? Math.random;
    const { identity, leaseDurationMs } = this;
    this.observed = new LeaseObservation({ clock, identity, leaseDurationMs });
    this.lease = new LeaseClient({ client, namespace });
    this.events = new LeaseEvents({ client, clock, logger, hostname });
    this.problems = new LeaseProblems({ logger, namespace });
    this.leaseGate = new LeaseGate({
      clock,
      onExpiry: () => {
        this.stepDown('the lease was not renewed in time');
      },
    });
    metrics.leader.set(0);
  }

  /**
   * Open from a successful write of the lease until the renew deadline, counted from when that write was sent:
   * requests in flight are aborted before another replica can acquire the lease.
   */
  assertOpen(): void {
    this.leaseGate.assertOpen();
  }

  get signal(): AbortSignal {
    return this.leaseGate.signal;
  }

  isLeading(): boolean {
    return this.leaseGate.isOpen();
  }

  /** Starts the election; the API server may be down. */
  start(listener: LeadershipListener): void {
    this.listener = listener;
    const { namespace, logger } = this;
    logger.info('standing by until the lease can be acquired', {
      lease: LEASE_NAME,
      namespace,
      identity: this.identity,
    });
    this.running ??= this.run();
  }

  /** Stops acquiring the lease; a held lease is renewed until {@link stop}. */
  retire(): void {
    this.retired = true;
  }

  /**
   * Ends the election. With `release`, a held lease is released, so that another replica can acquire it immediately;
   * only safe when nothing is in flight any more. `signal` ends the attempt. Never throws.
   */
  async stop({
    release,
    signal,
  }: {
    readonly release: boolean;
    readonly signal?: AbortSignal;
  }): Promise<void> {
    this.retired = true;
    this.stopping.abort();
    await this.running;
    const held = this.leading || this.onProbation;
    this.stepDown('shutting down');
    if (held && release) await this.release(signal);
    await this.events.drain(signal);
  }

  private async run(): Promise<void> {
    const { clock } = this;
    while (!this.stopping.signal.aborted) {
      let pauseMs = this.retryPeriodMs * (0.5 + this.random() / 2);
      try {
        if (this.leading) await this.renew();
        else if (!this.retired) await this.acquire();
        this.problems.solved();
      } catch (error) {
        if (!this.stopping.signal.aborted) this.problems.met(error, this.leading);
        // A leader must renew in time, so it does not honour Retry-After.
        const askedMs = error instanceof KubeError && !this.leading ? error.retryAfterMs : undefined;
        pauseMs = Math.max(pauseMs, namedWaitMs(askedMs, 'lease'));
      }
      if (this.onProbation) pauseMs = PROBATION * this.retryPeriodMs;
      await sleep(clock, Math.min(pauseMs, this.untilExpiryMs()), this.stopping.signal);
    }
  }

  /** Replaces the last written version without reading it first. */
  private async renew(): Promise<void> {
    if (this.current === undefined) return await this.acquire();
    try {
      await this.write(this.current);
    } catch (error) {
      if (!isStatus(error, 404, 409)) throw error;
      await this.acquire();
    }
  }

  /** Reads the lease and acquires it if it is expired, released or held by this replica. */
  private async acquire(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const found = await this.lease.read(this.limits());
      this.current = found;
      this.onProbation = false;
      if (found === undefined) this.observed.seeDeletion(this.leading);
      else this.observed.see(recordOf(found));
      if (this.observed.isHeldByAnother(this.leading)) {
        this.stepDown(`the lease is held by ${this.observed.holder}`);
        return;
      }
      try {
        await this.write(found);
        return;
      } catch (error) {
        if (!isStatus(error, 409)) throw error;
        // Another replica was faster. A leader must know which one; a standby waits for the next round.
        if (!this.leading || attempt >= MAX_CONFLICTS) return;
      }
    }
  }

  private async write(found: LeaseObject | undefined): Promise<void> {
    const { clock } = this;
    const before = found === undefined ? undefined : recordOf(found);
    const { identity, leaseDurationMs } = this;
    const spec = heldSpec(before, { identity, leaseDurationMs, now: clock.now() });
    const sentMs = clock.monotonicMs();
    const written =
      found === undefined
        ? await this.lease.create(spec, this.limits())
        : await this.lease.replace(found, spec, this.limits());
    this.current = written;
    this.observed.see(recordOf(written));
    this.onProbation = found === undefined && !this.leading;
    if (!this.onProbation) this.confirmLeadership(written, sentMs);
  }

  private confirmLeadership(lease: LeaseObject, sentMs: number): void {
    const { metrics, clock, logger } = this;
    // False if the process was frozen meanwhile: the next round renews before anything else.
    if (!this.leaseGate.openUntil(sentMs + this.renewDeadlineMs)) return;
    this.lastRenewalMs = sentMs;
    metrics.leaderLastRenewal.set(clock.now().getTime() / 1_000);
    if (this.leading) return;
    this.leading = true;
    metrics.leader.set(1);
    metrics.leaderTransitions.inc();
    logger.info('became the leader', { identity: this.identity });
    this.events.record(lease, `${this.identity} became leader`);
    this.listener?.onLeading();
  }

  private stepDown(why: string): void {
    if (!this.leading) return;
    this.leading = false;
    this.leaseGate.close();
    const { metrics, logger } = this;
    metrics.leader.set(0);
    const facts = { identity: this.identity, why };
    if (this.stopping.signal.aborted) logger.info('no longer the leader', facts);
    else logger.warn('no longer the leader; standing by', facts);
    if (this.current !== undefined) this.events.record(this.current, `${this.identity} stopped leading`);
    this.listener?.onStandby();
  }

  /** Makes the standby try as soon as the lease expires, not one period later. */
  private untilExpiryMs(): number {
    if (this.leading || this.retired) return Infinity;
    const leftMs = this.observed.untilExpiryMs();
    return leftMs > 0 ? leftMs : Infinity;
  }

  /** A request that hangs must leave time for another one before the deadline. */
  private limits(): { readonly timeoutMs: number; readonly signal: AbortSignal } {
    const shareMs = this.renewDeadlineMs / 2;
    const leftMs = this.lastRenewalMs + this.renewDeadlineMs - this.clock.monotonicMs();
    const timeoutMs = this.leading ? Math.max(1, Math.min(shareMs, leftMs)) : shareMs;
    return { timeoutMs, signal: this.stopping.signal };
  }

  private async release(signal: AbortSignal | undefined): Promise<void> {
    const { clock, logger } = this;
    const limits = { timeoutMs: this.retryPeriodMs, ...(signal === undefined ? {} : { signal }) };
    for (let attempt = 1; ; attempt += 1) {
      try {
        // An aborted renewal may have been written.
        const found = await this.lease.read(limits);
        if (found === undefined || recordOf(found).holderIdentity !== this.identity) return;
        await this.lease.replace(found, releasedSpec(recordOf(found), clock.now()), limits);
        logger.info('released the lease');
        return;
      } catch (error) {
        if (isStatus(error, 409) && attempt < MAX_CONFLICTS) continue;
        const problem = leaseProblem(error, this.namespace);
        logger.warn('could not release the lease; another replica can acquire it when it expires', {
          problem,
        });
        return;
      }
    }
  }
}

function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof KubeError && error.status !== undefined && statuses.includes(error.status);
}
