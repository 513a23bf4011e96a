import { inject, injectable } from 'tsyringe';

import { type ResourceKey, keyString } from '../api/resource-key.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { namedWaitMs } from '../runtime/wait-limits.js';
import { TOKENS } from '../tokens.js';
import { Lanes, type Waiting } from './lanes.js';
import { type Outcome, RESULTS } from './outcome.js';
import type { Priority, Processor, RightOfWay, WorkQueue } from './work-queue.js';

/** The first retry waits 0.5 to 1 s; the delay doubles up to a minute, half of the default sync period. */
const BASE_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/**
 * Limit on extra slots, as multiples of the concurrency: each key in process holds its secret in memory. Resync
 * work alone may not take all of them, or an edit would wait again.
 */
const MAX_LENT = { resync: 1, edit: 4 };
/**
 * Slots beyond the concurrency for edits, as a share of it: an edit does not wait for resync work to end. What resync
 * work may use while there are edits is the same share: everything shares one thread.
 */
const EDIT_SHARE = 1 / 4;
/** How long one step of resync work waits for edits. It also works while one edit follows the other. */
const MAX_WAY_MS = 250;

/**
 * How many keys may send requests at the same time: those of the backlog, also the ones that waited for a quota or a
 * list until a moment ago, and the edits that start beside them.
 */
export function mostAtOnce(concurrency: number): number {
  return concurrency * (1 + MAX_LENT.resync) + editShareOf(concurrency);
}

function editShareOf(concurrency: number): number {
  return Math.floor(concurrency * EDIT_SHARE);
}

interface Delayed {
  readonly cancel: () => void;
}

/** Whether a key may be processed now; otherwise it is held until {@link ReconcileQueue.wake}. */
export interface Readiness {
  mayProcess(key: ResourceKey): boolean;
}

/**
 * The work queue of the operator. A key is queued at most once and never processed twice at the same time; a key
 * that is added while it is processed runs once more afterwards (the `dirty` and `processing` sets of client-go).
 * Failed keys are retried with exponential backoff, capped and with jitter; an edit ends the backoff. Nothing is
 * processed before {@link start}.
 */
@injectable()
export class ReconcileQueue implements WorkQueue, RightOfWay {
  private readonly lanes = new Lanes();
  /** Keys that were added while being processed. */
  private readonly dirty = new Map<string, { key: ResourceKey; priority: Priority }>();
  /** Keys that were not ready when their turn came. */
  private readonly held = new Map<string, Waiting>();
  private readonly processing = new Set<string>();
  private readonly delayed = new Map<string, Delayed>();
  private readonly failures = new Map<string, number>();
  private process: Processor = () => Promise.resolve({ result: 'waiting' });
  private state: 'idle' | 'running' | 'stopped' = 'idle';
  private whenDrained: (() => void) | undefined;
  private readonly lent = { quota: 0, list: 0 };
  /** How many edits are in process. */
  private edits = 0;
  /** Steps of resync work that wait for edits. */
  private readonly givingWay = new Set<() => void>();

  constructor(
    @inject(TOKENS.maxConcurrentReconciles) private readonly concurrency: number,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'queueDepth' | 'queueWait' | 'queueRetries'>,
    @inject(TOKENS.freshness, { isOptional: true }) private readonly freshness?: Readiness,
    /** Source of the jitter, in [0, 1). */
    @inject(TOKENS.random, { isOptional: true }) private readonly random: () => number = Math.random,
  ) {}

  /** Starts or resumes processing. */
  start(process: Processor): void {
    if (this.state === 'stopped') return;
    this.process = process;
    this.state = 'running';
    this.pump();
  }

  /** Pauses processing until {@link start}; keys are still accepted. The state of a standby. */
  pause(): void {
    if (this.state === 'running') this.state = 'idle';
  }

  /**
   * Sets how many of the keys in process only wait for a shared quota, or for a list of their namespace. Other keys may
   * use their slots meanwhile, so that work that needs neither continues and an edit is not delayed.
   */
  lend(places: number, waitingFor: 'quota' | 'list' = 'quota'): void {
    this.lent[waitingFor] = places;
    if (!this.isEditing) this.endGivingWay();
    this.pump();
  }

  /** Whether an edit is in process that does not merely wait, so that other work holds back. */
  get isEditing(): boolean {
    return this.edits > this.lent.quota + this.lent.list;
  }

  async giveWay(priority: Priority): Promise<void> {
    if (priority === 'edit' || !this.isEditing || this.state === 'stopped') return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.setTimer(MAX_WAY_MS, () => {
        goOn();
      });
      const goOn = (): void => {
        cancel();
        this.givingWay.delete(goOn);
        resolve();
      };
      this.givingWay.add(goOn);
    });
  }

  add(key: ResourceKey, priority: Priority): void {
    if (this.state === 'stopped') return;
    const id = keyString(key);
    if (priority === 'edit') this.endDelay(id);
    else if (this.delayed.has(id)) return;
    if (this.processing.has(id)) {
      const before = this.dirty.get(id);
      this.dirty.set(id, { key, priority: before?.priority === 'edit' ? 'edit' : priority });
      return;
    }
    const held = this.held.get(id);
    if (held !== undefined) {
      if (priority === 'edit') this.held.set(id, { ...held, priority });
      return;
    }
    this.lanes.add(key, priority, this.clock.monotonicMs());
    this.reportDepth();
    this.pump();
  }

  /** Checks again whether held keys are ready. */
  wake(): void {
    const held = [...this.held.values()];
    this.held.clear();
    for (const { key, priority, since } of held) this.lanes.add(key, priority, since);
    this.pump();
    this.reportDepth();
  }

  forget(key: ResourceKey): void {
    const id = keyString(key);
    this.endDelay(id);
    this.failures.delete(id);
    this.dirty.delete(id);
    this.held.delete(id);
    this.lanes.remove(id);
    this.reportDepth();
  }

  /** Keys that are queued, in process, held or waiting for a retry. */
  get size(): number {
    return this.lanes.size + this.held.size + this.processing.size + this.delayed.size + this.dirty.size;
  }

  /**
   * Accepts no more keys and starts no more work.
   * @returns when everything in flight has finished.
   */
  async stop(): Promise<void> {
    this.state = 'stopped';
    this.endGivingWay();
    for (const { cancel } of this.delayed.values()) cancel();
    this.delayed.clear();
    this.dirty.clear();
    this.held.clear();
    this.lanes.clear();
    this.reportDepth();
    if (this.processing.size === 0) return;
    await new Promise<void>((resolve) => {
      this.whenDrained = resolve;
    });
  }

  private pump(): void {
    while (this.state === 'running' && this.hasWorkerFor('edit')) {
      const next = this.lanes.take(this.hasWorkerFor('resync') ? undefined : 'edit');
      if (next === undefined) return;
      if (this.freshness?.mayProcess(next.key) === false) {
        this.held.set(keyString(next.key), next);
        continue;
      }
      const waitedMs = this.clock.monotonicMs() - next.since;
      this.metrics.queueWait.observe(waitedMs / 1000);
      this.reportDepth();
      void this.run(next.key, next.priority);
    }
  }

  private hasWorkerFor(priority: Priority): boolean {
    const { concurrency, edits } = this;
    const { quota, list } = this.lent;
    const lent = Math.min(quota + list, concurrency * MAX_LENT[priority]);
    const share = editShareOf(concurrency);
    const { size } = this.processing;
    if (priority === 'edit') return size < concurrency + share + lent;
    // Work that only waits needs no processor time.
    if (edits > 0 && lent === 0) return size - edits < Math.max(1, share);
    return size < concurrency + lent;
  }

  private endGivingWay(): void {
    for (const goOn of this.givingWay) goOn();
  }

  private async run(key: ResourceKey, priority: Priority): Promise<void> {
    const id = keyString(key);
    this.processing.add(id);
    if (priority === 'edit') this.edits += 1;
    let outcome: Outcome;
    try {
      outcome = await this.process(key, priority);
    } catch {
      // A processor must not throw. If one does, the key must not be lost.
      this.logger.error('unexpected error while a key was processed; will retry', { key: id });
      outcome = { result: 'error' };
    }
    this.processing.delete(id);
    if (priority === 'edit') this.edits -= 1;
    if (!this.isEditing) this.endGivingWay();
    this.finish(key, priority, outcome);
    if (this.processing.size === 0) this.whenDrained?.();
    this.pump();
  }

  private finish(key: ResourceKey, priority: Priority, outcome: Outcome): void {
    const id = keyString(key);
    const { retry } = RESULTS[outcome.result];
    if (this.state === 'stopped') return;
    if (!retry) this.failures.delete(id);
    const again = this.dirty.get(id);
    this.dirty.delete(id);
    if (again !== undefined && (again.priority === 'edit' || !retry)) {
      this.add(again.key, again.priority);
    } else if (retry) {
      this.delay(key, priority, outcome.afterMs);
    }
  }

  private delay(key: ResourceKey, priority: Priority, afterMs?: number): void {
    const id = keyString(key);
    const failures = this.failures.get(id) ?? 0;
    this.failures.set(id, failures + 1);
    const { random } = this;
    const backoff = backoffMs(failures, { baseMs: BASE_BACKOFF_MS, capMs: MAX_BACKOFF_MS, random });
    const cancel = this.clock.setTimer(Math.max(backoff, namedWaitMs(afterMs, 'resource')), () => {
      this.delayed.delete(id);
      this.metrics.queueRetries.inc();
      // Somebody still waits for the retry of an edit, but it does not overtake other keys any more.
      this.add(key, priority === 'edit' && failures === 0 ? 'edit' : 'resync');
    });
    this.delayed.set(id, { cancel });
  }

  private endDelay(id: string): void {
    this.delayed.get(id)?.cancel();
    this.delayed.delete(id);
  }

  private reportDepth(): void {
    this.metrics.queueDepth.set(this.lanes.size + this.held.size);
  }
}
