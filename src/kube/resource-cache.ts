import { type Kind, PARTIAL_KIND, SECRET_KIND } from '../api/group.js';
import { keyOf, keyString, type ResourceKey } from '../api/resource-key.js';
import type { KMSVaultSecret, PartialKMSVaultSecret, Resource } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import { RecentMap } from '../runtime/recent-map.js';
import type { ResourceCache } from './resource-store.js';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Enough for the deletions that can happen while a patch is in flight. */
const MAX_TOMBSTONES = 10_000;

/** Keeps one object per key, and two indexes over the `KMSVaultSecret`s. */
export class IndexedResourceCache implements ResourceCache {
  private readonly byKind = {
    [SECRET_KIND]: new Map<string, KMSVaultSecret>(),
    [PARTIAL_KIND]: new Map<string, PartialKMSVaultSecret>(),
  };
  /** From `namespace/partial` and from normalised path to the keys of secrets. */
  private readonly includers = new Map<string, Set<string>>();
  private readonly paths = new Map<string, Set<string>>();
  /** uids of deleted objects: a late answer to a patch must not restore them. */
  private readonly tombstones = new RecentMap<string, true>(MAX_TOMBSTONES);
  /** Keys whose next version may be older than the known one. */
  private readonly rewound = new Set<string>();

  secret(namespace: string, name: string): KMSVaultSecret | undefined {
    return this.byKind[SECRET_KIND].get(keyString({ kind: SECRET_KIND, namespace, name }));
  }

  partial(namespace: string, name: string): PartialKMSVaultSecret | undefined {
    return this.byKind[PARTIAL_KIND].get(keyString({ kind: PARTIAL_KIND, namespace, name }));
  }

  get(key: ResourceKey): Resource | undefined {
    return this.byKind[key.kind].get(keyString(key));
  }

  secrets(): Iterable<KMSVaultSecret> {
    return this.byKind[SECRET_KIND].values();
  }

  partials(): Iterable<PartialKMSVaultSecret> {
    return this.byKind[PARTIAL_KIND].values();
  }

  /** The number of known objects of the kind. */
  size(kind: Kind): number {
    return this.byKind[kind].size;
  }

  includersOf(namespace: string, partialName: string): readonly KMSVaultSecret[] {
    return this.lookUp(this.includers.get(`${namespace}/${partialName}`));
  }

  secretsAtPath(normalisedPath: string): readonly KMSVaultSecret[] {
    return this.lookUp(this.paths.get(normalisedPath));
  }

  /**
   * Applies an object from the answer to a request. It only updates objects that a watch has reported: any other
   * would stay forever if it were deleted before its watch reports it.
   *
   * @returns whether the object was applied.
   */
  refresh(resource: Resource): boolean {
    const known = this.byKind[resource.kind].get(keyString(keyOf(resource)));
    return known?.metadata.uid === resource.metadata.uid && this.apply(resource);
  }

  /**
   * Applies an object from a watch. An object that is older than the known one, or whose uid was removed, is
   * refused. The spec may be malformed: objects of an older CRD are kept unchanged.
   *
   * @returns whether the object was applied.
   */
  apply(resource: Resource): boolean {
    const key = keyString(keyOf(resource));
    const known = this.byKind[resource.kind].get(key);
    if (this.tombstones.has(resource.metadata.uid)) return false;
    if (known !== undefined && !this.rewound.delete(key) && isOlder(resource, known)) return false;
    const object = stripped(resource);
    if (object.kind === PARTIAL_KIND) {
      this.byKind[PARTIAL_KIND].set(key, object);
      return true;
    }
    if (known?.kind === SECRET_KIND) this.index(key, known, 'delete');
    this.byKind[SECRET_KIND].set(key, object);
    this.index(key, object, 'add');
    return true;
  }

  /**
   * @param uid of the removed object; a newer object with the same name stays. Without it, any object is removed.
   */
  remove(key: ResourceKey, uid?: string): void {
    const id = keyString(key);
    const known = this.byKind[key.kind].get(id);
    this.addTombstone(uid ?? known?.metadata.uid);
    if (known === undefined || (uid !== undefined && known.metadata.uid !== uid)) return;
    if (known.kind === SECRET_KIND) this.index(id, known, 'delete');
    this.byKind[key.kind].delete(id);
    this.rewound.delete(id);
  }

  /**
   * Accepts any version of the kind's objects next time: after a restore from a backup, the API server's versions
   * start below those seen before. Until then the objects stay unchanged.
   */
  rewind(kind: Kind, namespace?: string): void {
    this.tombstones.clear();
    for (const known of this.byKind[kind].values()) {
      if (namespace === undefined || known.metadata.namespace === namespace) {
        this.rewound.add(keyString(keyOf(known)));
      }
    }
  }

  private addTombstone(uid: string | undefined): void {
    if (uid !== undefined) this.tombstones.set(uid, true);
  }

  private lookUp(keys: ReadonlySet<string> | undefined): readonly KMSVaultSecret[] {
    const found: KMSVaultSecret[] = [];
    for (const key of keys ?? []) {
      const secret = this.byKind[SECRET_KIND].get(key);
      if (secret !== undefined) found.push(secret);
    }
    return found;
  }

  private index(key: string, secret: KMSVaultSecret, change: 'add' | 'delete'): void {
    for (const partial of includesOf(secret)) {
      changeSet(this.includers, `${secret.metadata.namespace}/${partial}`, key, change);
    }
    const path = normalisedPathOf(secret);
    if (path !== undefined) changeSet(this.paths, path, key, change);
  }
}

/** The names in `spec.includeSecrets`; the object may be malformed. */
export function includesOf(secret: KMSVaultSecret): readonly string[] {
  const includes: unknown = (secret.spec as { includeSecrets?: unknown } | null | undefined)?.includeSecrets;
  if (!Array.isArray(includes)) return [];
  return includes.filter((name): name is string => typeof name === 'string');
}

/** The normalised `spec.path`, or undefined if it is invalid. */
export function normalisedPathOf(secret: KMSVaultSecret): string | undefined {
  const path: unknown = (secret.spec as { path?: unknown } | null | undefined)?.path;
  if (typeof path !== 'string') return undefined;
  const parsed = parseVaultPath(path);
  return parsed.ok ? parsed.path : undefined;
}

function changeSet(
  index: Map<string, Set<string>>,
  entry: string,
  key: string,
  change: 'add' | 'delete',
): void {
  const keys = index.get(entry) ?? new Set<string>();
  keys[change](key);
  if (keys.size > 0) index.set(entry, keys);
  else index.delete(entry);
}

/** Versions are opaque by contract; if both are numbers, they come from one etcd and are ordered. */
function isOlder(resource: Resource, known: Resource): boolean {
  const [version, than] = [resource.metadata.resourceVersion, known.metadata.resourceVersion];
  return /^\d+$/.test(version) && /^\d+$/.test(than) && BigInt(version) < BigInt(than);
}

/** Drops `managedFields` and kubectl's copy of the object, which only cost memory. */
function stripped<R extends Resource>(resource: R): R {
  const { managedFields, ...metadata } = resource.metadata as R['metadata'] & { managedFields?: unknown };
  void managedFields;
  if (metadata.annotations?.[LAST_APPLIED] !== undefined) {
    const { [LAST_APPLIED]: copy, ...annotations } = metadata.annotations;
    void copy;
    metadata.annotations = annotations;
  }
  return { ...resource, metadata };
}
