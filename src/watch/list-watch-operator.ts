import type { ApiConnection } from '../kube/api-connection.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { FrameworkOperator, type ResourceEvent, ResourceEventType, ResourceMetaImpl } from './framework.js';
import { ProblemLog } from './problem-log.js';
import type { NextStep } from './watch-failure.js';
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from './watch-limits.js';
import { type EventType, WatchLoop } from './watch-loop.js';
import { pathOf, type WatchedObject, type WatchedResource } from './watched-resource.js';

export interface ListWatchOptions {
  /** Carries the kubeconfig; the framework gets the same. */
  readonly connection: ApiConnection;
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: Pick<OperatorMetrics, 'watchRestarts' | 'watchMalformedLines'>;
  /** The defaults for what is absent. */
  readonly limits?: Partial<WatchLimits>;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}

/**
 * The framework's operator with a `watchResource` that lists first, detects objects that vanished while it was
 * disconnected, and survives any failure of a connection. Types and life cycle are those of the framework, so that an
 * improved upstream version can replace it.
 *
 * The framework's helpers for status and finalizers need its own `watchResource`; do not use them.
 */
export abstract class ListWatchOperator extends FrameworkOperator {
  private readonly watch: ListWatchOptions;
  private readonly limits: WatchLimits;
  private readonly stopping = new AbortController();
  private readonly loops: { readonly resource: WatchedResource; readonly loop: WatchLoop }[] = [];
  private readonly running: Promise<void>[] = [];
  /** One per namespace. */
  private readonly problems = new Map<string | undefined, ProblemLog>();

  constructor(options: ListWatchOptions) {
    super(options.connection.kubeConfig, options.logger);
    this.watch = options;
    this.limits = { ...DEFAULT_WATCH_LIMITS, ...options.limits };
  }

  /** Ends every watch; no event is delivered afterwards. A running handler is not interrupted. */
  override stop(): void {
    super.stop();
    this.stopping.abort();
  }

  /** Resolves when, after {@link stop}, the last handler has returned. */
  async whenStopped(): Promise<void> {
    await Promise.all(this.running);
  }

  /** @param kindOf for the metric's label; the plural serves where a kind is not known. */
  protected kindOf(plural: string): string {
    return plural;
  }

  /** Lists a watched collection again immediately, instead of what its watch is doing. */
  protected relist(plural: string, namespace?: string): void {
    for (const { resource, loop } of this.loops) {
      if (resource.plural === plural && resource.namespace === namespace) loop.relist();
    }
  }

  /** A list of the collection's most recent state begins. */
  protected listing(resource: WatchedResource): void {
    void resource;
  }

  /**
   * Every object of a watched collection has been shown to its handler.
   *
   * @param present `namespace/name` of each; undefined when some could not be identified.
   */
  protected listed(resource: WatchedResource, present: ReadonlySet<string> | undefined): void {
    void [resource, present];
  }

  /** The watch was opened or sent something. */
  protected alive(resource: WatchedResource): void {
    void resource;
  }

  /** Whether a collection must be listed before its watch goes on. */
  protected mustList(resource: WatchedResource): boolean {
    void resource;
    return false;
  }

  /** A list or a watch has ended. */
  protected failed(resource: WatchedResource, step: NextStep): void {
    void [resource, step];
  }

  /** The API server was restored from a backup: objects come again with lower versions. */
  protected rewound(resource: WatchedResource): void {
    void resource;
  }

  protected override getCustomResourceApiUri(
    group: string,
    version: string,
    plural: string,
    namespace?: string,
  ): string {
    const resource = { group, version, plural, ...(namespace ? { namespace } : {}) };
    return this.watch.connection.server + pathOf(resource);
  }

  /**
   * Lists a collection and watches it until {@link stop}. Each object of the list is an `ADDED` event,
   * or `MODIFIED` when it is known and changed; one that vanished while disconnected is a `DELETED`
   * event whose object holds identity only. Handlers of one collection run one after the other.
   *
   * Resolves once the watch has been set up, whether or not the API server can be reached yet.
   */
  protected override watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
    namespace?: string,
  ): Promise<void> {
    const { metrics, ...rest } = this.watch;
    const resource: WatchedResource = { group, version, plural, ...(namespace ? { namespace } : {}) };
    const kind = this.kindOf(plural);
    const loop = new WatchLoop({
      ...rest,
      resource,
      limits: this.limits,
      signal: this.stopping.signal,
      problems: this.problemsOf(namespace),
      observer: {
        event: (type, object) => onEvent(eventOf(plural, type, object)),
        listing: () => {
          this.listing(resource);
        },
        listed: (present) => {
          this.listed(resource, present);
        },
        alive: () => {
          this.alive(resource);
        },
        mustList: () => this.mustList(resource),
        rewound: () => {
          this.rewound(resource);
        },
        failed: (step) => {
          metrics.watchRestarts.inc({ kind, why: step.why });
          this.failed(resource, step);
        },
        malformed: () => {
          this.watch.logger.warn('cannot parse a line of the watch; relisting', { kind });
          metrics.watchMalformedLines.inc({ kind });
        },
      },
    });
    this.loops.push({ resource, loop });
    this.running.push(loop.run());
    return Promise.resolve();
  }

  private problemsOf(namespace: string | undefined): ProblemLog {
    const problems = this.problems.get(namespace) ?? new ProblemLog(this.watch.logger, namespace);
    this.problems.set(namespace, problems);
    return problems;
  }
}

const EVENT_TYPES = {
  ADDED: ResourceEventType.Added,
  MODIFIED: ResourceEventType.Modified,
  DELETED: ResourceEventType.Deleted,
} as const;

function eventOf(plural: string, type: EventType, object: WatchedObject): ResourceEvent {
  return { meta: ResourceMetaImpl.createWithPlural(plural, object), type: EVENT_TYPES[type], object };
}
