import { CRD_CLEANUP_FINALIZER } from './crd.js';
import type { KindRegistry } from './kind-registry.js';
import { CRD_PLACE, NAMESPACE_PLACE, type ResourceKind } from './kinds.js';
import { type KubeObject, recordAt, textAt, timestamp } from './objects.js';
import type { Storage } from './storage.js';

/** Whether a deleted object has no finalizers left. */
export function isFinal(object: KubeObject): boolean {
  if (object.metadata.deletionTimestamp === undefined) return false;
  if ((object.metadata.finalizers ?? []).length > 0) return false;
  const held = object.kind === 'Namespace' ? recordAt(object, 'spec')['finalizers'] : undefined;
  return !Array.isArray(held) || held.length === 0;
}

/** Deletes an object, or sets its deletionTimestamp when it has finalizers. */
export function removeOrMark(
  storage: Storage,
  kind: ResourceKind,
  old: KubeObject,
  dryRun = false,
): { object: KubeObject; gone: boolean } {
  if (old.metadata.deletionTimestamp !== undefined && !isFinal(old)) return { object: old, gone: false };
  const generation = old.metadata.generation ?? 0;
  const marked: KubeObject = {
    ...old,
    metadata: {
      ...old.metadata,
      deletionTimestamp: timestamp(),
      deletionGracePeriodSeconds: 0,
      ...(generation > 0 ? { generation: generation + 1 } : {}),
    },
  };
  if (kind.place === NAMESPACE_PLACE) marked['status'] = { ...recordAt(old, 'status'), phase: 'Terminating' };
  if (isFinal(marked)) {
    return { object: dryRun ? old : storage.remove(kind.place, old), gone: true };
  }
  return { object: dryRun ? marked : storage.put(kind.place, marked, old), gone: false };
}

/**
 * Empties namespaces and CRDs that are being deleted, and lets them go when nothing is left in them: the
 * work of the real cluster's controllers. Like those, it runs after the request that asked for it.
 */
export class DeletionController {
  private scheduled = false;

  constructor(
    private readonly storage: Storage,
    private readonly kinds: KindRegistry,
  ) {
    storage.subscribe('*', (change) => {
      if (change.type === 'ADDED' || this.scheduled) return;
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.run();
      });
    });
  }

  private run(): void {
    for (const namespace of this.storage.list(NAMESPACE_PLACE)) {
      if (namespace.metadata.deletionTimestamp !== undefined) this.finishNamespace(namespace);
    }
    for (const crd of this.storage.list(CRD_PLACE)) {
      if (crd.metadata.deletionTimestamp !== undefined) this.finishCrd(crd);
    }
  }

  private finishNamespace(namespace: KubeObject): void {
    const { name } = namespace.metadata;
    const places = new Map(
      this.kinds.all.filter((kind) => kind.namespaced).map((kind) => [kind.place, kind]),
    );
    if (!this.empty([...places.values()], name)) return;
    const spec = { ...recordAt(namespace, 'spec') };
    delete spec['finalizers'];
    const released = { ...namespace, spec };
    if (isFinal(released)) this.storage.remove(NAMESPACE_PLACE, namespace, released);
  }

  private finishCrd(crd: KubeObject): void {
    const finalizers = crd.metadata.finalizers ?? [];
    const place = `${textAt(crd, 'spec.group')}/${textAt(crd, 'spec.names.plural')}`;
    const kind = this.kinds.customKinds.find((one) => one.place === place);
    if (kind !== undefined && !this.empty([kind], '')) return;
    if (!finalizers.includes(CRD_CLEANUP_FINALIZER)) return;
    const left = finalizers.filter((one) => one !== CRD_CLEANUP_FINALIZER);
    const released: KubeObject = { ...crd, metadata: { ...crd.metadata, finalizers: left } };
    if (left.length === 0) this.storage.remove(CRD_PLACE, crd, released);
    else this.storage.put(CRD_PLACE, released, crd);
  }

  /** Deletes the objects; true when none is left. */
  private empty(kinds: readonly ResourceKind[], namespace: string): boolean {
    for (const kind of kinds) {
      for (const object of this.storage.list(kind.place, namespace)) removeOrMark(this.storage, kind, object);
    }
    return kinds.every((kind) => this.storage.list(kind.place, namespace).length === 0);
  }
}
