import { randomUUID } from 'node:crypto';

import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { namedWaitMs } from '../runtime/wait-limits.js';
import type { WriteGate } from '../runtime/write-gate.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { LEASE_NAME, LeaseClient } from './lease-client.js';
import { LeaseEvents } from './lease-events.js';
import { LeaseGate } from './lease-gate.js';
import {
  heldSpec,
  isReleased,
  type LeaseObject,
  type LeaseRecord,
  recordOf,
  releasedSpec,
} from './lease-record.js';
import { leaseProblem, LeaseProblems } from './lease-problem.js';

/** The defaults of client-go's users. */
const LEASE_DURATION_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_PERIOD_MS = 2_000;
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

export interface LeaseElectorOptions {
  /** Its own, with a gate that is always open: the lease is written while the write gate is closed. */
  readonly client: Pick<KubeClient, 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<OperatorMetrics, 'leader' | 'leaderTransitions' | 'leaderLastRenewal'>;
  readonly namespace: string;
  readonly hostname: string;
  /** `<hostname>_<uuid>` when absent. */
  readonly identity?: string;
  readonly leaseDurationMs?: number;
  /** Shorter than the lease: what is in flight has the difference to settle. */
  readonly renewDeadlineMs?: number;
  /** The longest pause between two looks at the lease; jitter makes it up to half shorter. */
  readonly retryPeriodMs?: number;
  /** In [0, 1), for the jitter. */
  readonly random?: () => number;
}

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

  constructor(private readonly options: LeaseElectorOptions) {
    const { client, clock, logger, namespace, hostname } = options;
    this.identity = options.identity ?? `${hostname}_${randomUUID()}`;
    this.leaseDurationMs = options.leaseDurationMs ?? LEASE_DURATION_MS;
    this.renewDeadlineMs = options.renewDeadlineMs ?? RENEW_DEADLINE_MS;
    this.retryPeriodMs = options.retryPeriodMs ?? RETRY_PERIOD_MS;
    this.random = options.random ?? Math.random;
    this.lease = new LeaseClient({ client, namespace });
    this.events = new LeaseEvents({ client, clock, logger, hostname });
    this.problems = new LeaseProblems({ logger, namespace });
    this.leaseGate = new LeaseGate({
      clock,
      onLapse: () => {
        this.lose('the lease was not renewed in time');
      },
    });
    options.metrics.leader.set(0);
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
    const { namespace, logger } = this.options;
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
    const { clock } = this.options;
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
    const { clock } = this.options;
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
    const { metrics, clock, logger } = this.options;
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
    const { metrics, logger } = this.options;
    metrics.leader.set(0);
    const facts = { identity: this.identity, why };
    if (this.stopping.signal.aborted) logger.info('no longer the leader', facts);
    else logger.warn('no longer the leader; standing by', facts);
    if (this.current !== undefined) this.events.record(this.current, `${this.identity} stopped leading`);
    this.listener?.onStandby();
  }

  private see(record: LeaseRecord): void {
    if (this.seen?.record.fingerprint === record.fingerprint) return;
    this.seen = { record, sinceMs: this.options.clock.monotonicMs() };
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
    return this.options.clock.monotonicMs() < this.freeAtMs(this.seen);
  }

  private freeAtMs({ record, sinceMs }: { record: LeaseRecord; sinceMs: number }): number {
    const foreignMs = Math.min((record.leaseDurationSeconds ?? 0) * 1_000, MAX_FOREIGN_DURATION_MS);
    return sinceMs + Math.max(this.leaseDurationMs, foreignMs);
  }

  /** So that an expired lease is taken when it expires and not a pause later. */
  private untilFree(): number {
    if (this.leading || this.seen === undefined || this.retired) return Infinity;
    const leftMs = this.freeAtMs(this.seen) - this.options.clock.monotonicMs();
    return leftMs > 0 ? leftMs : Infinity;
  }

  /** A request that hangs leaves time for another before the deadline. */
  private limits(): { readonly timeoutMs: number; readonly signal: AbortSignal } {
    const shareMs = this.renewDeadlineMs / 2;
    const leftMs = this.lastRenewalMs + this.renewDeadlineMs - this.options.clock.monotonicMs();
    const timeoutMs = this.leading ? Math.max(1, Math.min(shareMs, leftMs)) : shareMs;
    return { timeoutMs, signal: this.stopping.signal };
  }

  private async release(signal: AbortSignal | undefined): Promise<void> {
    const { clock, logger } = this.options;
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
        const problem = leaseProblem(error, this.options.namespace);
        logger.warn('could not release the lease; another replica takes it when it ends', { problem });
        return;
      }
    }
  }
}

function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof KubeError && error.status !== undefined && statuses.includes(error.status);
}
