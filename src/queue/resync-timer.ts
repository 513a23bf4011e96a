import { createHash } from 'node:crypto';

import { inject, injectable } from 'tsyringe';

import { keyOf, keyString, type ResourceKey } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { Requeue } from './work-queue.js';

/** How often the timer checks for due keys: a slot is at most this late and never missed. */
const TICKS_PER_PERIOD = 120;
const MIN_TICK_MS = 250;

/** Holds every known `KMSVaultSecret`. */
export interface KnownSecrets {
  secrets(): Iterable<KMSVaultSecret>;
}

/** Its mounts are cached for one period at most. */
export interface PeriodicMemory {
  forgetMounts(): void;
}

/**
 * Enqueues every known `KMSVaultSecret` once per period. A hash of the name assigns each key a slot within the
 * period, which levels the load, also after a restart and for new keys.
 */
@injectable()
export class ResyncTimer {
  private cancel: (() => void) | undefined;
  private startedAt = 0;
  private lastMs = 0;
  /** Hashed once per object: every tick looks at all of them. */
  private readonly slots = new WeakMap<KMSVaultSecret, number>();

  constructor(
    /** 0: off. */
    @inject(TOKENS.syncPeriodMs) private readonly periodMs: number,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.queue) private readonly queue: Requeue,
    /** Every known `KMSVaultSecret`. */
    @inject(TOKENS.cache) private readonly cache: KnownSecrets,
    /** Called once per period. */
    @inject(TOKENS.kvStore) private readonly store: PeriodicMemory,
  ) {}

  start(): void {
    if (this.periodMs === 0 || this.cancel !== undefined) return;
    this.startedAt = this.clock.monotonicMs();
    this.lastMs = 0;
    this.schedule();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private schedule(): void {
    const tickMs = Math.max(MIN_TICK_MS, this.periodMs / TICKS_PER_PERIOD);
    this.cancel = this.clock.setTimer(tickMs, () => {
      this.tick();
      this.schedule();
    });
  }

  /** Enqueues the keys whose slots lie in (last tick, now]; after a long pause, every key once. */
  private tick(): void {
    const { periodMs, clock, queue, cache, store } = this;
    const nowMs = clock.monotonicMs() - this.startedAt;
    const fromMs = Math.max(this.lastMs, nowMs - periodMs);
    if (Math.floor(nowMs / periodMs) > Math.floor(this.lastMs / periodMs)) store.forgetMounts();
    this.lastMs = nowMs;
    for (const secret of cache.secrets()) {
      const slotMs = this.slotOf(secret) * periodMs;
      // The first occurrence of the slot after `fromMs`; the key is due if that is not later than now.
      const next = slotMs + Math.ceil((fromMs - slotMs) / periodMs) * periodMs;
      const due = next === fromMs ? next + periodMs : next;
      if (due <= nowMs) queue.add(keyOf(secret), 'resync');
    }
  }

  private slotOf(secret: KMSVaultSecret): number {
    const known = this.slots.get(secret);
    if (known !== undefined) return known;
    const made = slot(keyOf(secret));
    this.slots.set(secret, made);
    return made;
  }
}

/** In [0, 1), the same for the same key in every process. */
function slot(key: ResourceKey): number {
  return createHash('sha256').update(keyString(key)).digest().readUInt32BE(0) / 2 ** 32;
}
