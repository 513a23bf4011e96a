import type { ApiConnection } from '../kube/api-connection.js';
import type { KubeClient } from '../kube/kube-client.js';
import { KubeError } from '../kube/kube-error.js';
import type { Logger } from '../observability/logger.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { CollectionLister, type Page } from './collection-lister.js';
import { CompleteList } from './complete-list.js';
import { KnownObjects } from './known-objects.js';
import type { ProblemLog } from './problem-log.js';
import { type NextStep, stepAfter } from './watch-failure.js';
import type { WatchLimits } from './watch-limits.js';
import { watchLines } from './watch-stream.js';
import type { WatchedObject, WatchedResource } from './watched-resource.js';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Receives the events of a collection. Calls never overlap, and none comes after the signal has aborted. */
export interface WatchObserver {
  event(type: EventType, object: WatchedObject): Promise<void>;
  /** A list begins that shows the most recent state. */
  listing(): void;
  /**
   * Every object of the collection has been shown.
   * @param present `namespace/name` of each; undefined when some could not be identified.
   */
  listed(present: ReadonlySet<string> | undefined): void;
  /** The watch was opened or sent something. */
  alive(): void;
  /** Whether the next step must be a list, whatever is known. */
  mustList(): boolean;
  /** A list or a watch has ended. */
  failed(step: NextStep): void;
  /** The server's versions start again below those seen before; a complete list follows. */
  rewound(): void;
  malformed(): void;
}

export interface WatchLoopOptions {
  readonly resource: WatchedResource;
  readonly client: KubeClient;
  readonly connection: ApiConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: WatchLimits;
  readonly observer: WatchObserver;
  readonly signal: AbortSignal;
  readonly random?: () => number;
  readonly problems: ProblemLog;
}

/**
 * Lists a collection and watches it from there, forever: whatever ends a watch, the next one resumes at the last
 * version, or lists again when that version cannot be used.
 */
export class WatchLoop {
  private readonly known = new KnownObjects();
  private readonly lists: CompleteList;
  private readonly random: () => number;
  /** The last version seen; undefined while a list is due. */
  private version: string | undefined;
  /** Ends the current step. */
  private interrupt = new LinkedAbort();
  /** Restarts since the last healthy stream. */
  private attempt = 0;

  constructor(private readonly options: WatchLoopOptions) {
    this.lists = new CompleteList({
      lister: new CollectionLister(options.client, options.resource),
      pageSize: options.limits.pageSize,
      pause: (askedMs, signal) => this.pause(askedMs, signal),
    });
    this.random = options.random ?? Math.random;
  }

  /** Ends when the signal aborts; never rejects. */
  async run(): Promise<void> {
    const { signal, observer } = this.options;
    while (!signal.aborted) {
      this.interrupt = new LinkedAbort([signal]);
      const { interrupt } = this;
      try {
        const step = await this.once(interrupt.signal);
        if (signal.aborted) return;
        if (step.relist) this.version = undefined;
        observer.failed(step);
        this.say(step);
        // The list must not wait: it was requested.
        if (step.why !== 'behind') await this.pause(step.waitMs, interrupt.signal);
      } finally {
        interrupt.dispose();
      }
    }
  }

  /** Lists again immediately. */
  relist(): void {
    this.version = undefined;
    this.interrupt.abort();
  }

  private async once(signal: AbortSignal): Promise<NextStep> {
    let step: NextStep;
    try {
      if (this.options.observer.mustList()) this.version = undefined;
      this.version ??= await this.list(signal);
      if (signal.aborted) return BEHIND;
      step = await this.watch(this.version, signal);
    } catch (error) {
      step = stepAfter(error);
    }
    return signal.aborted ? BEHIND : step;
  }

  private async list(signal: AbortSignal): Promise<string> {
    const { observer } = this.options;
    let seen = new Set<string>();
    let malformed = 0;
    observer.listing();
    const last = await this.lists.read(
      signal,
      () => {
        seen = new Set();
        malformed = 0;
      },
      async (page: Page) => {
        if (this.known.isRewound(page.resourceVersion)) observer.rewound();
        for (let index = 0; index < page.malformed; index += 1) observer.malformed();
        malformed += page.malformed;
        for (const object of page.items) {
          seen.add(this.known.idOf(object));
          await this.show(object);
        }
      },
    );
    // An object that seems to be missing may be one that could not be parsed.
    if (malformed === 0) {
      for (const gone of this.known.takeMissing(seen)) await this.emit('DELETED', gone);
    }
    this.known.listedAt(last.resourceVersion);
    if (!this.options.signal.aborted) observer.listed(malformed === 0 ? seen : undefined);
    return last.resourceVersion;
  }

  /** A listed object, unless it is the one that was shown before. */
  private async show(object: WatchedObject): Promise<void> {
    const type = this.known.see(object);
    if (type === 'SAME') return;
    if (type === 'REPLACED') await this.emit('DELETED', this.known.takeReplaced());
    await this.emit(type === 'MODIFIED' ? 'MODIFIED' : 'ADDED', object);
  }

  private async watch(from: string, signal: AbortSignal): Promise<NextStep> {
    const { clock, limits, observer } = this.options;
    let openedAt: number | undefined;
    const lines = watchLines(this.options.resource, from, {
      connection: this.options.connection,
      clock,
      signal,
      inactivityMs: limits.inactivityMs,
      timeoutSeconds: Math.round(limits.timeoutSeconds * (1 + this.random() / 2)),
      onOpen: () => {
        openedAt = clock.monotonicMs();
        observer.alive();
        this.options.problems.solved(this.options.resource.plural);
      },
    });
    let step: NextStep = { why: 'ended', relist: false };
    try {
      for await (const line of lines) {
        if (signal.aborted) break;
        observer.alive();
        if (line.type === 'MALFORMED') {
          // The line may have been a change, and only a list shows which one.
          observer.malformed();
          return { why: 'unreadable', relist: true, missed: true };
        } else if (line.type === 'ERROR') {
          step = stepAfter(new KubeError('the watch ended with an error', line.code, line.retryAfterMs));
          break;
        } else if (line.type === 'BOOKMARK') {
          this.observeVersion(line.resourceVersion);
        } else {
          await this.emit(line.type, line.object);
          this.known.record(line.type, line.object);
          this.observeVersion(line.object.metadata.resourceVersion);
        }
      }
    } catch (error) {
      step = stepAfter(error);
    }
    const lived = openedAt === undefined ? 0 : clock.monotonicMs() - openedAt;
    if (lived >= limits.healthyAfterMs) this.attempt = 0;
    return step;
  }

  private observeVersion(version: string): void {
    this.version = version;
    this.known.sawVersion(version);
  }

  /** A handler that fails is logged; the watch continues. */
  private async emit(type: EventType, object: WatchedObject): Promise<void> {
    if (this.options.signal.aborted) return;
    try {
      await this.options.observer.event(type, object);
    } catch (error) {
      this.options.logger.error('handler of a watch event failed', {
        event: type,
        namespace: object.metadata.namespace,
        name: object.metadata.name,
        error: error instanceof Error ? error.name : typeof error,
      });
    }
  }

  private async pause(askedMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.options;
    const own = backoffMs(this.attempt, {
      baseMs: limits.backoffBaseMs,
      capMs: limits.backoffCapMs,
      random: this.random,
    });
    this.attempt += 1;
    const waitMs = Math.max(own, Math.min(askedMs ?? 0, limits.maxRetryAfterMs));
    // The server's `Retry-After` is honoured even if a list was requested meanwhile.
    await sleep(clock, waitMs, askedMs === undefined ? signal : this.options.signal);
  }

  private say({ why, problem }: NextStep): void {
    const { logger, resource, problems } = this.options;
    if (problem === undefined) logger.debug('restarting the watch', { resource: resource.plural, why });
    else problems.met(resource.plural, problem);
  }
}

const BEHIND: NextStep = { why: 'behind', relist: true };
