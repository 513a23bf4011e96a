import type { ApiConnection } from '../kube/api-connection.js';
import type { KubeClient } from '../kube/kube-client.js';
import { KubeError } from '../kube/kube-error.js';
import type { Logger } from '../observability/logger.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { CollectionLister, type Page } from './collection-lister.js';
import { KnownObjects } from './known-objects.js';
import { type NextStep, type RestartReason, stepAfter } from './watch-failure.js';
import type { WatchLimits } from './watch-limits.js';
import { watchLines } from './watch-stream.js';
import type { WatchedObject, WatchedResource } from './watched-resource.js';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Who hears of a collection. Calls never overlap, and none comes after the signal has aborted. */
export interface WatchObserver {
  event(type: EventType, object: WatchedObject): Promise<void>;
  /** Every object of the collection has been shown. */
  listed(): void;
  /** The server's versions start again below those seen before; a complete list follows. */
  rewound(): void;
  restarted(why: RestartReason): void;
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
}

/**
 * Lists a collection, watches it from there, and goes on for ever: whatever ends a watch, the next
 * resumes at the last version seen, or lists again when that version is of no use.
 */
export class WatchLoop {
  private readonly known = new KnownObjects();
  private readonly lister: CollectionLister;
  private readonly random: () => number;
  /** The last version seen; undefined while a list is due. */
  private version: string | undefined;
  private saidProblem: string | undefined;
  /** Restarts since the last healthy stream. */
  private attempt = 0;

  constructor(private readonly options: WatchLoopOptions) {
    this.lister = new CollectionLister(options.client, options.resource);
    this.random = options.random ?? Math.random;
  }

  /** Ends when the signal aborts; never rejects. */
  async run(): Promise<void> {
    const { signal, observer } = this.options;
    while (!signal.aborted) {
      const step = await this.once();
      if (signal.aborted) return;
      if (step.relist) this.version = undefined;
      observer.restarted(step.why);
      this.say(step);
      await this.pause(step.waitMs);
    }
  }

  private async once(): Promise<NextStep> {
    try {
      this.version ??= await this.list();
      if (this.options.signal.aborted) return { why: 'ended', relist: false };
      return await this.watch(this.version);
    } catch (error) {
      return stepAfter(error);
    }
  }

  private async list(): Promise<string> {
    const { observer, signal } = this.options;
    let limit: number | undefined = this.options.limits.pageSize;
    for (;;) {
      const seen = new Set<string>();
      let page: Page | undefined;
      try {
        do {
          page = await this.page(limit, page?.continueToken);
          if (this.known.isRewound(page.resourceVersion)) observer.rewound();
          for (let index = 0; index < page.malformed; index += 1) observer.malformed();
          for (const object of page.items) {
            seen.add(this.known.idOf(object));
            await this.show(object);
          }
        } while (page.continueToken !== undefined);
      } catch (error) {
        // A token lives for some minutes; a list that outlives it is read in one piece.
        if (!(error instanceof KubeError) || error.status !== 410 || limit === undefined || !page)
          throw error;
        limit = undefined;
        continue;
      }
      for (const gone of this.known.takeMissing(seen)) await this.emit('DELETED', gone);
      this.known.listedAt(page.resourceVersion);
      if (!signal.aborted) observer.listed();
      return page.resourceVersion;
    }
  }

  /** A listed object, unless it is the one that was shown before. */
  private async show(object: WatchedObject): Promise<void> {
    const type = this.known.see(object);
    if (type === 'SAME') return;
    if (type === 'REPLACED') await this.emit('DELETED', this.known.takeReplaced());
    await this.emit(type === 'MODIFIED' ? 'MODIFIED' : 'ADDED', object);
  }

  /** A page that is refused with 429 is asked for again: a list from the start would cost more. */
  private async page(limit: number | undefined, token: string | undefined): Promise<Page> {
    const { signal } = this.options;
    for (;;) {
      try {
        return await this.lister.page(limit, token, signal);
      } catch (error) {
        if (!(error instanceof KubeError) || error.status !== 429 || signal.aborted) throw error;
        await this.pause(error.retryAfterMs);
      }
    }
  }

  private async watch(from: string): Promise<NextStep> {
    const { clock, limits, observer, signal } = this.options;
    let openedAt: number | undefined;
    let malformed = false;
    const lines = watchLines(this.options.resource, from, {
      connection: this.options.connection,
      clock,
      signal,
      inactivityMs: limits.inactivityMs,
      timeoutSeconds: Math.round(limits.timeoutSeconds * (1 + this.random() / 2)),
      onOpen: () => {
        openedAt = clock.monotonicMs();
        this.recovered();
      },
    });
    let step: NextStep = { why: 'ended', relist: false };
    try {
      for await (const line of lines) {
        if (signal.aborted) break;
        if (line.type === 'MALFORMED') {
          malformed = true;
          observer.malformed();
        } else if (line.type === 'ERROR') {
          step = stepAfter(new KubeError('the watch ended with an error', line.code, line.retryAfterMs));
          break;
        } else if (line.type === 'BOOKMARK') {
          this.saw(line.resourceVersion);
        } else {
          await this.emit(line.type, line.object);
          this.known.record(line.type, line.object);
          this.saw(line.object.metadata.resourceVersion);
        }
      }
    } catch (error) {
      step = stepAfter(error);
    }
    const lived = openedAt === undefined ? 0 : clock.monotonicMs() - openedAt;
    if (lived >= limits.healthyAfterMs) this.attempt = 0;
    // The unreadable line may have been a change: only a list shows what it was.
    return malformed ? { ...step, relist: true } : step;
  }

  private saw(version: string): void {
    this.version = version;
    this.known.sawVersion(version);
  }

  /** A handler that fails is a fault of its own; the watch goes on. */
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

  private async pause(askedMs = 0): Promise<void> {
    const { clock, limits, signal } = this.options;
    const own = backoffMs(this.attempt, {
      baseMs: limits.backoffBaseMs,
      capMs: limits.backoffCapMs,
      random: this.random,
    });
    this.attempt += 1;
    await sleep(clock, Math.max(own, Math.min(askedMs, limits.maxRetryAfterMs)), signal);
  }

  private say({ why, problem }: NextStep): void {
    const { logger, resource } = this.options;
    if (problem === undefined) {
      logger.debug('watch restarts', { resource: resource.plural, why });
    } else if (problem.message !== this.saidProblem) {
      this.saidProblem = problem.message;
      logger.warn(problem.message, { resource: resource.plural, ...problem.facts });
    }
  }

  private recovered(): void {
    if (this.saidProblem === undefined) return;
    this.saidProblem = undefined;
    this.options.logger.info('watch works again', { resource: this.options.resource.plural });
  }
}
