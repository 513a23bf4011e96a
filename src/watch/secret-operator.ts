import { inject, injectable, injectAll } from 'tsyringe';

import { GROUP, type Kind, PARTIAL_KIND, PLURALS, SECRET_KIND, VERSION } from '../api/group.js';
import type { ReadyReason } from '../api/reasons.js';
import { keyOf, keyString, type ResourceKey } from '../api/resource-key.js';
import type { KMSVaultSecret, PartialKMSVaultSecret, Resource } from '../api/resources.js';
import type { ApiConnection } from '../kube/api-connection.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { IndexedResourceCache } from '../kube/resource-cache.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Priority, WorkQueue } from '../queue/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { type ResourceEvent, ResourceEventType } from './framework.js';
import type { Freshness, WatchKey } from './freshness.js';
import { ListWatchOperator } from './list-watch-operator.js';
import { differs, type Observation, observationOf } from './observation.js';
import type { NextStep } from './watch-failure.js';
import type { WatchLimits } from './watch-limits.js';
import type { WatchedResource } from './watched-resource.js';

/** A reason is a string in a stored status; the type finds this place when the reason is renamed. */
const CONFLICT: ReadyReason = 'PathConflict';

const KINDS: readonly Kind[] = [SECRET_KIND, PARTIAL_KIND];

/** Keeps memory or metrics per resource. */
export interface ResourceMemory {
  forget(key: ResourceKey): void;
}

/**
 * Turns events of the watches into keys. Handlers only update the cache and enqueue keys. No key is enqueued before
 * both kinds are listed completely in its namespace, because a partial that is not listed yet would look missing.
 */
@injectable()
export class SecretOperator extends ListWatchOperator {
  private readonly observations = new Map<string, Observation>();
  /** Watches whose first list is not complete; undefined until {@link init} has set them up. */
  private unlisted: Set<string> | undefined;
  /** Keys that wait for the first lists of their namespace. */
  private readonly waiting = new Map<string, { readonly key: ResourceKey; readonly priority: Priority }>();
  private readonly sync: Promise<void>;
  private resolveSync: () => void = () => undefined;

  constructor(
    @inject(TOKENS.connection) connection: ApiConnection,
    @inject(TOKENS.kubeClient) client: KubeClient,
    @inject(TOKENS.logger) logger: Logger,
    @inject(TOKENS.clock) clock: Clock,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'watchRestarts' | 'watchMalformedLines' | 'resources'>,
    @inject(TOKENS.cache) private readonly cache: IndexedResourceCache,
    @inject(TOKENS.queue) private readonly queue: WorkQueue,
    @inject(TOKENS.freshness) private readonly freshness: Freshness,
    /** Notified when a resource is gone, to drop what they keep about it. */
    @injectAll(TOKENS.resourceMemories) private readonly memories: readonly ResourceMemory[],
    /** Each namespace has its own watches; absent: all namespaces at once. */
    @inject(TOKENS.watchNamespaces, { isOptional: true }) private readonly namespaces?: readonly string[],
    @inject(TOKENS.watchLimits, { isOptional: true }) limits: Partial<WatchLimits> = {},
    @inject(TOKENS.random, { isOptional: true }) random: () => number = Math.random,
  ) {
    super({ connection, client, logger, clock, metrics, limits, random });
    this.sync = new Promise((resolve) => {
      this.resolveSync = resolve;
    });
    freshness.onBehind(({ kind, namespace }) => {
      this.relist(PLURALS[kind], namespace === '' ? undefined : namespace);
    });
    for (const kind of KINDS) metrics.resources.set({ kind }, 0);
  }

  /** Whether every object of both kinds has been listed once. */
  synced(): boolean {
    return this.unlisted?.size === 0;
  }

  /** Resolves once {@link synced}; never after a {@link stop} before that. */
  whenSynced(): Promise<void> {
    return this.sync;
  }

  protected override async init(): Promise<void> {
    const namespaces = this.namespaces === undefined ? [undefined] : [...new Set(this.namespaces)];
    const watches = KINDS.flatMap((kind) =>
      namespaces.map((namespace) => ({ plural: PLURALS[kind], namespace })),
    );
    this.unlisted = new Set(watches.map(watchId));
    for (const { plural, namespace } of watches) {
      await this.watchResource(GROUP, VERSION, plural, (event) => this.handle(event), namespace);
    }
  }

  protected override kindOf(plural: string): string {
    return KINDS.find((kind) => PLURALS[kind] === plural) ?? plural;
  }

  protected override listing(resource: WatchedResource): void {
    this.freshness.listing(this.watchKey(resource));
  }

  protected override listed(resource: WatchedResource, present: ReadonlySet<string> | undefined): void {
    if (present !== undefined) this.forgetAbsent(resource, present);
    const first = this.unlisted?.delete(watchId(resource)) === true;
    this.freshness.listed(this.watchKey(resource));
    if (!first) return;
    for (const [id, { key, priority }] of this.waiting) {
      if (!this.isListed(key.namespace)) continue;
      this.waiting.delete(id);
      this.queue.add(key, priority);
    }
    if (this.isListed(resource.namespace ?? '')) this.enqueueConflicts();
    if (this.synced()) this.resolveSync();
  }

  protected override alive(resource: WatchedResource): void {
    this.freshness.alive(this.watchKey(resource));
  }

  protected override mustList(resource: WatchedResource): boolean {
    return this.freshness.mustList(this.watchKey(resource));
  }

  protected override failed(resource: WatchedResource, step: NextStep): void {
    const watch = this.watchKey(resource);
    if (step.missed === true) this.freshness.missed(watch);
    else this.freshness.failed(watch, step.forbidden === true);
  }

  protected override rewound(resource: WatchedResource): void {
    this.cache.rewind(this.kindOf(resource.plural) as Kind, resource.namespace);
  }

  /**
   * Only watches put objects into the cache, so whatever a complete list lacks is gone, however it came to
   * be there.
   */
  private forgetAbsent({ plural, namespace }: WatchedResource, present: ReadonlySet<string>): void {
    const kind = this.kindOf(plural) as Kind;
    const cached: readonly Resource[] = [
      ...(kind === PARTIAL_KIND ? this.cache.partials() : this.cache.secrets()),
    ];
    for (const resource of cached) {
      const { metadata } = resource;
      if (namespace !== undefined && metadata.namespace !== namespace) continue;
      if (!present.has(`${metadata.namespace}/${metadata.name}`)) this.deleted(resource);
    }
    this.countResources(kind);
  }

  private countResources(kind: Kind): void {
    this.metrics.resources.set({ kind }, this.cache.size(kind));
  }

  private watchKey({ plural, namespace }: WatchedResource): WatchKey {
    return { kind: this.kindOf(plural) as Kind, namespace: namespace ?? '' };
  }

  private handle(event: ResourceEvent): Promise<void> {
    // The API server answers with the requested kind; the rest of the object is checked later.
    const resource = event.object as unknown as Resource;
    if (!KINDS.includes(resource.kind)) return Promise.resolve();
    if (event.type === ResourceEventType.Deleted) this.deleted(resource);
    else this.shown(resource);
    this.countResources(resource.kind);
    return Promise.resolve();
  }

  private shown(resource: Resource): void {
    const key = keyOf(resource);
    const before = this.observations.get(keyString(key));
    const after = observationOf(resource, before);
    this.observations.set(keyString(key), after);
    this.cache.apply(resource);
    if (before !== undefined && !differs(before, after)) return;
    const priority = this.priorityFor(resource);
    this.enqueue(key, priority);
    if (resource.kind === PARTIAL_KIND) this.enqueueOwners(resource);
    // The first list contains every key itself.
    else if (priority === 'edit') this.enqueueNeighbours(key, before, after);
  }

  private deleted(resource: Resource): void {
    const key = keyOf(resource);
    const id = keyString(key);
    const before = this.observations.get(id);
    this.observations.delete(id);
    this.cache.remove(key, resource.metadata.uid);
    this.waiting.delete(id);
    this.queue.forget(key);
    for (const memory of this.memories) memory.forget(key);
    if (resource.kind === PARTIAL_KIND) this.enqueueOwners(resource);
    else this.enqueueNeighbours(key, before, undefined);
  }

  /** Enqueues resources that lost their path, or may have lost it to a resource that could not be seen. */
  private enqueueConflicts(): void {
    const lost = [...this.cache.secrets()].filter(({ status }) =>
      status?.conditions?.some(({ type, reason }) => type === 'Ready' && reason === CONFLICT),
    );
    this.enqueueAll(lost, 'resync');
  }

  /** The includers of a partial. */
  private enqueueOwners(partial: PartialKMSVaultSecret): void {
    const { namespace, name } = partial.metadata;
    this.enqueueAll(this.cache.includersOf(namespace, name), this.priorityFor(partial));
  }

  /**
   * The other resources that a change of one `KMSVaultSecret` concerns: those at its old and its new path, whose owner may
   * have changed, and the partials whose count of includers changes.
   */
  private enqueueNeighbours(
    key: ResourceKey,
    before: Observation | undefined,
    after: Observation | undefined,
  ): void {
    for (const path of pathsConcerned(before, after)) {
      const others = this.cache.secretsAtPath(path).filter(({ metadata }) => !isNamed(metadata, key));
      this.enqueueAll(others, 'edit');
    }
    for (const name of changed(before?.includes ?? [], after?.includes ?? [])) {
      const partial = this.cache.partial(key.namespace, name);
      if (partial !== undefined) this.enqueue(keyOf(partial), 'resync');
    }
  }

  private enqueueAll(secrets: readonly KMSVaultSecret[], priority: Priority): void {
    for (const secret of secrets) this.enqueue(keyOf(secret), priority);
  }

  private enqueue(key: ResourceKey, priority: Priority): void {
    if (this.isListed(key.namespace)) {
      this.queue.add(key, priority);
      return;
    }
    const id = keyString(key);
    if (this.waiting.get(id)?.priority !== 'edit') this.waiting.set(id, { key, priority });
  }

  /** Whether both kinds have been listed once where the namespace is watched. */
  private isListed(namespace: string): boolean {
    const scope = this.namespaces === undefined ? undefined : namespace;
    return KINDS.every(
      (kind) => this.unlisted?.has(watchId({ plural: PLURALS[kind], namespace: scope })) === false,
    );
  }

  /** Changes after the first list of a watch are edits, which somebody waits for. */
  private priorityFor({ kind, metadata }: Resource): Priority {
    const namespace = this.namespaces === undefined ? undefined : metadata.namespace;
    return this.unlisted?.has(watchId({ plural: PLURALS[kind], namespace })) === true ? 'resync' : 'edit';
  }
}

function watchId({ plural, namespace }: { plural: string; namespace?: string | undefined }): string {
  return `${plural}/${namespace ?? ''}`;
}

function isNamed(metadata: { namespace: string; name: string }, key: ResourceKey): boolean {
  return metadata.namespace === key.namespace && metadata.name === key.name;
}

/** Paths whose owner may be another resource now; the owner is found by age, path and deletion. */
function pathsConcerned(before: Observation | undefined, after: Observation | undefined): Set<string> {
  const same =
    before?.uid === after?.uid && before?.path === after?.path && before?.deleting === after?.deleting;
  const paths = same ? [] : [before?.path, after?.path];
  return new Set(paths.filter((path) => path !== undefined));
}

/** Names that are in one list only. */
function changed(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...before.filter((name) => !after.includes(name)),
    ...after.filter((name) => !before.includes(name)),
  ];
}
