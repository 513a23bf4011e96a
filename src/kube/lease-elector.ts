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
import {
  heldSpec,
  isReleased,
  type LeaseObject,
  type LeaseRecord,
  recordOf,
  releasedSpec,
} from './lease-record.js';
import {
  LEASE_DURATION_MS,
  type LeaseSettings,
  RENEW_DEADLINE_MS,
  RETRY_PERIOD_MS,
} from './lease-settings.js';

/** A longer duration in somebody's lease is rubbish: no elector in use asks for more than minutes. */
const MAX_FOREIGN_DURATION_MS = 10 * 60_000;
/**
 * In retry periods: a lease that was created is renewed once before its holder leads. Whoever led or
 * was about to, and whose lease was deleted, has met the new one by then.
 */
const PROBATION = 1.25;
/** Of a lease that was deleted. */
const UNKNOWN_HOLDER = 'unknown';
/** So many lost races in a row, then the next round. */
const MAX_CONFLICTS = 3;

/** Who wants to know; called each time. Must not throw. */
export interface LeadershipListener {
  readonly onLeading: () => void;
  readonly onStandby: () => void;
}

/**
 * Decides by a `Lease` which replica writes, compatibly with client-go's leader election. Times of
 * other replicas are never compared with the own clock: a foreign record counts for as long as it has
 * been seen unchanged. Losing the lease makes a standby of the leader, nothing more.
 */
@injectable()
export class LeaseElector {
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
  /** The lease as it was last read or written. */
  private current: LeaseObject | undefined;
  /** The record that was last seen, and since when (monotonic milliseconds) it has been the same. */
  private seen: { readonly record: LeaseRecord; readonly sinceMs: number } | undefined;
  private leading = false;
  private onProbation = false;
  private lastRenewalMs = 0;
  private retired = false;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    /** Its own, with a gate that is always open: the lease is written while the write gate is closed. */
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
    this.lease = new LeaseClient({ client, namespace });
    this.events = new LeaseEvents({ client, clock, logger, hostname });
    this.problems = new LeaseProblems({ logger, namespace });
    this.leaseGate = new LeaseGate({
      clock,
      onLapse: () => {
        this.lose('the lease was not renewed in time');
      },
    });
    metrics.leader.set(0);
  }

  /**
   * Open from a successful write of the lease until the renew deadline, counted from the moment when
   * that write was sent: before anybody can take the lease, what is in flight has been given up.
   */
  get gate(): WriteGate {
    return this.leaseGate;
  }

  isLeading(): boolean {
    return this.leaseGate.isOpen();
  }

  /** Begins to strive for the lease; the API server may be down. */
  start(listener: LeadershipListener): void {
    this.listener = listener;
    const { namespace, logger } = this;
    logger.info('standing by for the lease', { lease: LEASE_NAME, namespace, identity: this.identity });
    this.running ??= this.run();
  }

  /** Does not take the lease any more; one that is held is renewed until {@link stop}. */
  retire(): void {
    this.retired = true;
  }

  /**
   * Ends the election. With `release`, a lease that is held is given back, so that another replica takes
   * it at once; only right when nothing is in flight any more. `signal` ends the attempt. Never throws.
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
    this.lose('shutting down');
    if (held && release) await this.release(signal);
    await this.events.drain(signal);
  }

  private async run(): Promise<void> {
    const { clock } = this;
    while (!this.stopping.signal.aborted) {
      let pauseMs = this.retryPeriodMs * (0.5 + this.random() / 2);
      try {
        if (this.leading) await this.renew();
        else if (!this.retired) await this.strive();
        this.problems.solved();
      } catch (error) {
        if (!this.stopping.signal.aborted) this.problems.met(error, this.leading);
        // A leader has no time to be polite.
        const askedMs = error instanceof KubeError && !this.leading ? error.retryAfterMs : undefined;
        pauseMs = Math.max(pauseMs, namedWaitMs(askedMs, 'lease'));
      }
      if (this.onProbation) pauseMs = PROBATION * this.retryPeriodMs;
      await sleep(clock, Math.min(pauseMs, this.untilFree()), this.stopping.signal);
    }
  }

  /** One write over the version that was written last; everything else begins with a look. */
  private async renew(): Promise<void> {
    if (this.current === undefined) return await this.strive();
    try {
      await this.take(this.current);
    } catch (error) {
      if (!isStatus(error, 404, 409)) throw error;
      await this.strive();
    }
  }

  /** Looks at the lease and takes it if it is free, released, or the own one. */
  private async strive(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const found = await this.lease.read(this.limits());
      this.current = found;
      this.onProbation = false;
      if (found === undefined) this.seeNothing();
      else this.see(recordOf(found));
      if (this.isHeldByAnother()) {
        this.lose(`the lease is held by ${this.seen?.record.holderIdentity ?? ''}`);
        return;
      }
      try {
        await this.take(found);
        return;
      } catch (error) {
        if (!isStatus(error, 409)) throw error;
        // Somebody was faster. A leader must know who; a standby has time until the next round.
        if (!this.leading || attempt >= MAX_CONFLICTS) return;
      }
    }
  }

  private async take(found: LeaseObject | undefined): Promise<void> {
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
    this.see(recordOf(written));
    this.onProbation = found === undefined && !this.leading;
    if (!this.onProbation) this.won(written, sentMs);
  }

  private won(lease: LeaseObject, sentMs: number): void {
    const { metrics, clock, logger } = this;
    // False in a process that was frozen meanwhile: the next round renews before anything else.
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

  private lose(why: string): void {
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

  private see(record: LeaseRecord): void {
    if (this.seen?.record.fingerprint === record.fingerprint) return;
    this.seen = { record, sinceMs: this.clock.monotonicMs() };
  }

  /**
   * A lease that vanished counts as held by somebody from now on: whoever took it since the last look
   * does not know yet. The leader alone knows that nobody did.
   */
  private seeNothing(): void {
    if (this.seen === undefined) return;
    const holderIdentity = this.leading ? this.identity : UNKNOWN_HOLDER;
    this.see({ ...this.seen.record, holderIdentity, fingerprint: `vanished from ${holderIdentity}` });
  }

  /** Whether another replica may still write. */
  private isHeldByAnother(): boolean {
    if (this.seen === undefined) return false;
    const { record } = this.seen;
    if (record.holderIdentity === this.identity || isReleased(record)) return false;
    // Rubbish over the own lease is put right; over another's it is waited out.
    if (record.holderIdentity === '' && this.leading) return false;
    return this.clock.monotonicMs() < this.freeAtMs(this.seen);
  }

  private freeAtMs({ record, sinceMs }: { record: LeaseRecord; sinceMs: number }): number {
    const foreignMs = Math.min((record.leaseDurationSeconds ?? 0) * 1_000, MAX_FOREIGN_DURATION_MS);
    return sinceMs + Math.max(this.leaseDurationMs, foreignMs);
  }

  /** So that an expired lease is taken when it expires and not a pause later. */
  private untilFree(): number {
    if (this.leading || this.seen === undefined || this.retired) return Infinity;
    const leftMs = this.freeAtMs(this.seen) - this.clock.monotonicMs();
    return leftMs > 0 ? leftMs : Infinity;
  }

  /** A request that hangs leaves time for another before the deadline. */
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
        // A renewal that was cut off may have been written.
        const found = await this.lease.read(limits);
        if (found === undefined || recordOf(found).holderIdentity !== this.identity) return;
        await this.lease.replace(found, releasedSpec(recordOf(found), clock.now()), limits);
        logger.info('released the lease');
        return;
      } catch (error) {
        if (isStatus(error, 409) && attempt < MAX_CONFLICTS) continue;
        const problem = leaseProblem(error, this.namespace);
        logger.warn('could not release the lease; another replica takes it when it ends', { problem });
        return;
      }
    }
  }
}

function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof KubeError && error.status !== undefined && statuses.includes(error.status);
}
