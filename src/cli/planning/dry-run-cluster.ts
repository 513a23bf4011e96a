import { inject, injectable } from 'tsyringe';

import { PARTIAL_KIND } from '../../api/group.js';
import type { Kind } from '../../api/group.js';
import type { ResourceKey, ResourceRef } from '../../api/resource-key.js';
import type { Resource } from '../../api/resources.js';
import type { EventRecorder } from '../../kube/event-recorder.js';
import type { IndexedResourceCache } from '../../kube/resource-cache.js';
import type { PatchOutcome, ResourceClient, StatusOf } from '../../kube/resource-store.js';
import type { CacheView } from '../../reconcile/cache-view.js';
import type { FreshWork } from '../../runtime/write-gate.js';
import { TOKENS } from '../../tokens.js';

/** A cluster that is only what the cache holds: statuses are written there, and nothing is sent. */
@injectable()
export class DryRunResources implements ResourceClient {
  constructor(@inject(TOKENS.cache) private readonly cache: IndexedResourceCache) {}

  fetch(key: ResourceKey): Promise<Resource | undefined> {
    return Promise.resolve(this.cache.get(key));
  }

  updateStatus<K extends Kind>(
    object: ResourceRef & { kind: K },
    desired: (current: StatusOf[K] | undefined, resource: Resource) => StatusOf[K],
  ): Promise<PatchOutcome> {
    const resource = this.cache.get(object);
    if (resource?.metadata.uid !== object.uid) return Promise.resolve({ outcome: 'gone' });
    const status = desired(resource.status, resource);
    this.cache.apply({ ...resource, status });
    return Promise.resolve({ outcome: 'patched' });
  }

  removeFinalizer(): Promise<PatchOutcome> {
    return Promise.resolve({ outcome: 'patched' });
  }

  forget(): void {
    // Nothing is remembered.
  }
}

interface PlannedEvent {
  readonly reason: string;
  readonly message: string;
}

/** Collects the events that would be recorded. */
@injectable()
export class DryRunEvents implements EventRecorder {
  private readonly byUid = new Map<string, PlannedEvent[]>();

  normal(resource: Resource, reason: string, message: string): void {
    this.add(resource, { reason, message });
  }

  warning(resource: Resource, reason: string, message: string): void {
    this.add(resource, { reason, message });
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  /** The messages of the events of a resource with a reason, each once; they are dropped. */
  take(uid: string, reason: string): readonly string[] {
    const events = this.byUid.get(uid) ?? [];
    this.byUid.set(
      uid,
      events.filter((event) => event.reason !== reason),
    );
    return [...new Set(events.filter((event) => event.reason === reason).map(({ message }) => message))];
  }

  private add({ kind, metadata }: Resource, event: PlannedEvent): void {
    if (kind === PARTIAL_KIND) return;
    this.byUid.set(metadata.uid, [...(this.byUid.get(metadata.uid) ?? []), event]);
  }
}

/** Nothing changes during a run. */
@injectable()
export class DryRunView implements CacheView {
  begin(): FreshWork {
    return { assertFresh: () => undefined, catchUp: () => Promise.resolve(false) };
  }

  unseen(): readonly string[] {
    return [];
  }
}

/** Every resource is looked at once: nothing is enqueued. */
@injectable()
export class DryRunQueue {
  readonly isEditing = false;

  add(): void {
    // See above.
  }

  lend(): void {
    // Nobody lends workers here.
  }

  giveWay(): Promise<void> {
    return Promise.resolve();
  }
}
