import type { KubeObject } from './objects.js';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One write in the history, for watches. */
export interface Change {
  readonly revision: number;
  /** The resource's place in the storage: `<group>/<plural>`. */
  readonly place: string;
  readonly type: ChangeType;
  /** The object after the write; for DELETED the last state, with the deletion's resourceVersion. */
  readonly object: KubeObject;
  /** The object before the write. */
  readonly previous: KubeObject | undefined;
}

/** The storage has moved on since the object was read. */
export class StaleWrite extends Error {
  override readonly name = 'StaleWrite';
}

export interface StorageOptions {
  /** The number of changes that the history keeps; older ones are compacted. */
  readonly historyLimit?: number;
}

/**
 * Objects with one global revision, optimistic locking and a history: what etcd is to a real server.
 * It knows nothing of kinds; a place is a name, and objects in it are known by `namespace/name`.
 */
export class Storage {
  private readonly places = new Map<string, Map<string, KubeObject>>();
  private readonly listeners = new Map<string, Set<(change: Change) => void>>();
  private history: Change[] = [];
  private currentRevision = 1;
  private compacted = 0;
  private readonly historyLimit: number;

  constructor(options: StorageOptions = {}) {
    this.historyLimit = options.historyLimit ?? 100_000;
  }

  /** The revision of the latest write of all. */
  get revision(): number {
    return this.currentRevision;
  }

  /** Changes up to this revision are compacted. */
  get compactedRevision(): number {
    return this.compacted;
  }

  get(place: string, namespace: string, name: string): KubeObject | undefined {
    return this.places.get(place)?.get(keyOf(namespace, name));
  }

  /** Objects of a place by key, of one namespace or of all (`''`). */
  list(place: string, namespace = ''): KubeObject[] {
    return inOrder(this.places.get(place) ?? new Map<string, KubeObject>(), namespace);
  }

  /**
   * What {@link list} gave when the storage was at this revision.
   *
   * @returns undefined when the history does not reach back so far.
   */
  listAt(place: string, namespace: string, revision: number): KubeObject[] | undefined {
    if (revision < this.compacted) return undefined;
    const then = new Map(this.places.get(place) ?? []);
    for (let index = this.history.length - 1; index >= 0; index -= 1) {
      const change = this.history[index];
      if (change === undefined || change.revision <= revision) break;
      if (change.place !== place) continue;
      const key = keyOf(change.object.metadata.namespace ?? '', change.object.metadata.name);
      if (change.previous === undefined) then.delete(key);
      else then.set(key, change.previous);
    }
    return inOrder(then, namespace);
  }

  /** Changes of a place after a revision; undefined when the history does not reach back so far. */
  changesSince(place: string, revision: number): Change[] | undefined {
    if (revision < this.compacted) return undefined;
    let first = this.history.length;
    while (first > 0 && (this.history[first - 1]?.revision ?? 0) > revision) first -= 1;
    return this.history.slice(first).filter((change) => change.place === place);
  }

  /**
   * Stores an object under its namespace and name, stamped with the new revision.
   *
   * @param expected - the object that the caller read there; undefined when there was none.
   * @throws StaleWrite when something else is there now.
   */
  put(place: string, object: KubeObject, expected: KubeObject | undefined): KubeObject {
    const key = keyOf(object.metadata.namespace ?? '', object.metadata.name);
    const objects = this.placeOf(place);
    if (objects.get(key) !== expected) throw new StaleWrite(key);
    this.currentRevision += 1;
    const stored = withRevision(object, this.currentRevision);
    objects.set(key, stored);
    this.record(place, expected === undefined ? 'ADDED' : 'MODIFIED', stored, expected);
    return stored;
  }

  /**
   * Removes an object; `last` is its final state, which the watches see.
   *
   * @throws StaleWrite when it is not what is stored.
   */
  remove(place: string, expected: KubeObject, last: KubeObject = expected): KubeObject {
    const key = keyOf(expected.metadata.namespace ?? '', expected.metadata.name);
    const objects = this.placeOf(place);
    if (objects.get(key) !== expected) throw new StaleWrite(key);
    this.currentRevision += 1;
    objects.delete(key);
    const gone = withRevision(last, this.currentRevision);
    this.record(place, 'DELETED', gone, expected);
    return gone;
  }

  /** Calls back after every change of a place (`*`: of all). @returns a function that ends it. */
  subscribe(place: string, listener: (change: Change) => void): () => void {
    const listeners = this.listeners.get(place) ?? new Set();
    this.listeners.set(place, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** Drops the whole history. */
  compact(): void {
    this.history = [];
    this.compacted = this.currentRevision;
  }

  private placeOf(place: string): Map<string, KubeObject> {
    let objects = this.places.get(place);
    if (objects === undefined) {
      objects = new Map();
      this.places.set(place, objects);
    }
    return objects;
  }

  private record(
    place: string,
    type: ChangeType,
    object: KubeObject,
    previous: KubeObject | undefined,
  ): void {
    const change: Change = { revision: this.currentRevision, place, type, object, previous };
    this.history.push(change);
    if (this.history.length > this.historyLimit * 1.1) {
      this.history = this.history.slice(-this.historyLimit);
      this.compacted = (this.history[0]?.revision ?? this.currentRevision) - 1;
    }
    for (const listener of [...(this.listeners.get(place) ?? []), ...(this.listeners.get('*') ?? [])]) {
      listener(change);
    }
  }
}

/** The key by which objects are known and lists are ordered. */
export function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function inOrder(objects: Map<string, KubeObject>, namespace: string): KubeObject[] {
  const entries = [...objects].filter(([, o]) => namespace === '' || o.metadata.namespace === namespace);
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, object]) => object);
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
