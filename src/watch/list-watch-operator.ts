import type { ApiConnection } from '../kube/api-connection.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { FrameworkOperator, type ResourceEvent, ResourceEventType, ResourceMetaImpl } from './framework.js';
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
 * The framework's operator with a `watchResource` that lists first, notices what vanished while it was
 * disconnected, and outlives everything that can happen to a connection. Types and life cycle are the
 * framework's, so that a better upstream version can take its place.
 *
 * The framework's helpers for status and finalizers need its own `watchResource`; do not use them.
 */
export abstract class ListWatchOperator extends FrameworkOperator {
  private readonly watch: ListWatchOptions;
  private readonly limits: WatchLimits;
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[] = [];

  constructor(options: ListWatchOptions) {
    super(options.connection.kubeConfig, options.logger);
    this.watch = options;
    this.limits = { ...DEFAULT_WATCH_LIMITS, ...options.limits };
  }

  /** Ends every watch; no event is delivered afterwards. A handler that runs is not interrupted. */
  override stop(): void {
    super.stop();
    this.stopping.abort();
  }

  /** Resolves when, after {@link stop}, the last handler has returned. */
  async whenStopped(): Promise<void> {
    await Promise.all(this.loops);
  }

  /** @param kindOf for the metric's label; the plural serves where a kind is not known. */
  protected kindOf(plural: string): string {
    return plural;
  }

  /** Every object of a watched collection has been shown to its handler. */
  protected listed(resource: WatchedResource): void {
    void resource;
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
      observer: {
        event: (type, object) => onEvent(eventOf(plural, type, object)),
        listed: () => {
          this.listed(resource);
        },
        rewound: () => {
          this.rewound(resource);
        },
        restarted: (why) => {
          metrics.watchRestarts.inc({ kind, why });
        },
        malformed: () => {
          this.watch.logger.warn('unreadable line in a watch, skipped', { kind });
          metrics.watchMalformedLines.inc({ kind });
        },
      },
    });
    this.loops.push(loop.run());
    return Promise.resolve();
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
