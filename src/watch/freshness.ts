import { inject, injectable } from 'tsyringe';

import { type Kind, PARTIAL_KIND, SECRET_KIND } from '../api/group.js';
import type { ResourceKey } from '../api/resource-key.js';
import type { ReadinessCheck } from '../observability/health.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import type { StallDetector } from '../runtime/stall-detector.js';
import { type FreshWork, StaleCacheError } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import { CatchUp } from './catch-up.js';
import { endWaits, isRefused, namesOf, type Scope } from './scope.js';
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from './watch-limits.js';
import { WatchState } from './watch-state.js';

const KINDS: readonly Kind[] = [SECRET_KIND, PARTIAL_KIND];
/** How long one namespace waits for the lists of the others, which may own its paths. */
const SETTLE_MS = 10_000;
/** A list that takes longer than this is worth a line in the log. */
const PATIENCE_MS = 10_000;

/** The watch of one kind in one namespace; `''`: in all. */
export interface WatchKey {
  readonly kind: Kind;
  readonly namespace: string;
}

/**
 * Whether the cache of a namespace is fresh enough to write from: both kinds were listed completely, by lists that
 * started after the last moment at which a change may have been missed, and both watches have been alive since. Such
 * moments are the start, each new term of leadership, a stall of the process, an unreadable watch event, and silence.
 *
 * Work on a resource says when it begins, and may write if its own namespace is fresh and was so since then.
 */
@injectable()
export class Freshness implements ReadinessCheck {
  private readonly scopes: ReadonlyMap<string, Scope>;
  private demandedMs: number;
  private relist: (watch: WatchKey) => void = () => undefined;
  private changed: () => void = () => undefined;
  private readonly catchingUp: CatchUp;
  private readonly inactivityMs: number;
  /** The readiness check. */
  readonly name = 'watches';

  constructor(
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'watchSynced'>,
    /** Checked before each write: whether the process was stopped meanwhile. */
    @inject(TOKENS.stalls) private readonly stalls: Pick<StallDetector, 'check'>,
    /** Undefined: all namespaces with one watch per kind. */
    @inject(TOKENS.watchNamespaces, { isOptional: true }) private readonly namespaces?: readonly string[],
    /** A watch that is silent for `inactivityMs` counts as behind. */
    @inject(TOKENS.watchLimits, { isOptional: true }) limits: Partial<WatchLimits> = {},
  ) {
    this.inactivityMs = limits.inactivityMs ?? DEFAULT_WATCH_LIMITS.inactivityMs;
    this.catchingUp = new CatchUp(clock);
    this.demandedMs = clock.monotonicMs();
    const watched = namespaces === undefined ? [''] : [...new Set(namespaces)];
    this.scopes = new Map(
      watched.map((namespace) => [
        namespace,
        {
          namespace,
          watches: new Map(KINDS.map((kind) => [kind, new WatchState()])),
          fresh: false,
          seen: false,
          waiting: new Set(),
          epoch: 0,
          behindSinceMs: this.demandedMs,
          saidBehind: false,
        },
      ]),
    );
    for (const watch of this.watches()) this.metrics.watchSynced.set({ ...watch }, 0);
  }

  /** @param relist ends the watch of a collection and lists it again. */
  onBehind(relist: (watch: WatchKey) => void): void {
    this.relist = relist;
  }

  /** @param changed called when more keys may be ready. */
  onChange(changed: () => void): void {
    this.changed = changed;
  }

  /** @param lend called with the number of keys in process that only wait for a list. */
  onWaiting(lend: (waiting: number) => void): void {
    this.catchingUp.onWaiting(lend);
  }

  /** Requires a new list of every namespace before anything is written from it. */
  demand(): void {
    this.demandedMs = this.clock.monotonicMs();
    for (const scope of this.scopes.values()) {
      for (const state of scope.watches.values()) state.demand();
      this.updateScope(scope);
    }
    for (const watch of this.watches()) this.relist(watch);
  }

  listing(watch: WatchKey): void {
    this.update(watch, (state) => {
      state.begin();
    });
  }

  listed(watch: WatchKey): void {
    this.update(watch, (state) => {
      state.complete(this.clock.monotonicMs());
    });
  }

  /** The watch was opened or sent something. */
  alive(watch: WatchKey): void {
    const state = this.stateOf(watch);
    if (state !== undefined) state.aliveMs = this.clock.monotonicMs();
  }

  /** The watch may have missed a change. */
  missed(watch: WatchKey): void {
    this.update(watch, (state) => {
      state.miss();
    });
  }

  /** @param refused the API server answered 403, which lasts until somebody changes permissions. */
  failed(watch: WatchKey, refused: boolean): void {
    this.update(watch, (state) => {
      state.fail(refused);
    });
    const scope = this.scopeOf(watch.namespace);
    if (refused && scope !== undefined) endWaits(scope);
  }

  /** Whether a watch must list before it goes on. */
  mustList(watch: WatchKey): boolean {
    return this.stateOf(watch)?.stage === 'behind';
  }

  /** Whether the namespace of a key is fresh, and the other namespaces have had time to be listed. */
  mayProcess({ namespace }: Pick<ResourceKey, 'namespace'>): boolean {
    return this.scopeOf(namespace)?.fresh === true && this.isSettled();
  }

  allFresh(): boolean {
    return [...this.scopes.values()].every(({ fresh }) => fresh);
  }

  /** Work on a resource of the namespace begins; see `FreshWork`. */
  begin(namespace: string): FreshWork {
    const scope = this.scopeOf(namespace);
    const work = scope === undefined ? undefined : { scope, epoch: scope.epoch };
    return {
      assertFresh: () => {
        this.look();
        const fresh =
          work === undefined ? this.allFresh() : work.scope.fresh && work.epoch === work.scope.epoch;
        if (!fresh) throw new StaleCacheError();
      },
      catchUp: async (isUnchanged, signal) => {
        this.look();
        return work === undefined ? false : await this.catchingUp.run(work, isUnchanged, signal);
      },
    };
  }

  /** Watched namespaces that have never been listed completely. */
  unseen(): readonly string[] {
    return [...this.scopes.values()].filter(({ seen }) => !seen).map(({ namespace }) => namespace);
  }

  /** Call this about once a second: freshness can end by the passing of time. */
  beat(): void {
    this.look();
    if (!this.allFresh()) this.changed();
  }

  private look(): void {
    this.stalls.check();
    const nowMs = this.clock.monotonicMs();
    for (const scope of this.scopes.values()) {
      for (const [kind, state] of scope.watches) {
        if (state.ageOut(nowMs - this.inactivityMs)) this.relist({ kind, namespace: scope.namespace });
      }
      this.updateScope(scope);
      this.logStale(scope, nowMs);
    }
  }

  /**
   * Why this replica is not ready: no namespace is fresh, or one is not although the API server has not refused it.
   */
  problem(): string | undefined {
    const behind = this.behind();
    const waitsFor = behind.filter((scope) => !isRefused(scope));
    if (behind.length === 0) return undefined;
    if (behind.length < this.scopes.size && waitsFor.length === 0) return undefined;
    return `the list of resources is not complete${namesOf(behind)}`;
  }

  /** Namespaces that are not synced while the others are. */
  note(): string | undefined {
    const behind = this.behind();
    return behind.length === 0 || behind.length === this.scopes.size
      ? undefined
      : `the API server denies the list${namesOf(behind)}: not synced`;
  }

  private behind(): Scope[] {
    return [...this.scopes.values()].filter(({ fresh }) => !fresh);
  }

  private update(watch: WatchKey, change: (state: WatchState) => void): void {
    const scope = this.scopeOf(watch.namespace);
    const state = scope?.watches.get(watch.kind);
    if (scope === undefined || state === undefined) return;
    change(state);
    this.updateScope(scope);
    this.changed();
  }

  private updateScope(scope: Scope): void {
    const { metrics, clock, logger } = this;
    for (const [kind, { stage }] of scope.watches) {
      metrics.watchSynced.set({ kind, namespace: scope.namespace }, stage === 'fresh' ? 1 : 0);
    }
    const fresh = [...scope.watches.values()].every(({ stage }) => stage === 'fresh');
    if (fresh === scope.fresh) return;
    scope.fresh = fresh;
    if (!fresh) {
      scope.epoch += 1;
      scope.behindSinceMs = clock.monotonicMs();
    } else {
      scope.seen = true;
      endWaits(scope);
    }
    if (fresh && scope.saidBehind) {
      scope.saidBehind = false;
      logger.info('the cache is current again; writes to Vault resume', { namespace: scope.namespace });
    }
  }

  private logStale(scope: Scope, nowMs: number): void {
    if (scope.fresh || scope.saidBehind || nowMs - scope.behindSinceMs < PATIENCE_MS) return;
    // A refusal is a line of its own already.
    if (isRefused(scope)) return;
    scope.saidBehind = true;
    this.logger.warn(
      'the cache may be stale; writes to Vault are paused until the resources are listed again',
      {
        namespace: scope.namespace,
      },
    );
  }

  private isSettled(): boolean {
    if (this.clock.monotonicMs() - this.demandedMs >= SETTLE_MS) return true;
    return [...this.scopes.values()].every(({ watches }) =>
      [...watches.values()].every(({ attempted }) => attempted),
    );
  }

  private *watches(): Iterable<WatchKey> {
    for (const { namespace, watches } of this.scopes.values()) {
      for (const kind of watches.keys()) yield { kind, namespace };
    }
  }

  private stateOf({ kind, namespace }: WatchKey): WatchState | undefined {
    return this.scopeOf(namespace)?.watches.get(kind);
  }

  private scopeOf(namespace: string): Scope | undefined {
    return this.scopes.get(this.namespaces === undefined ? '' : namespace);
  }
}
