import type { Kind } from '../api/group.js';
import type { ResourceKey, ResourceRef } from '../api/resource-key.js';
import type {
  KMSVaultSecret,
  KMSVaultSecretStatus,
  PartialKMSVaultSecret,
  PartialKMSVaultSecretStatus,
  Resource,
} from '../api/resources.js';

/**
 * Our resources as last seen by the watches, brought up to date by answers to requests of ours; never
 * older than what was seen before. Objects are read-only; `managedFields` are stripped.
 */
export interface ResourceCache {
  secret(namespace: string, name: string): KMSVaultSecret | undefined;
  partial(namespace: string, name: string): PartialKMSVaultSecret | undefined;
  secrets(): Iterable<KMSVaultSecret>;
  partials(): Iterable<PartialKMSVaultSecret>;
  /** The `KMSVaultSecret`s of the namespace that name the partial in `includeSecrets`. */
  includersOf(namespace: string, partialName: string): readonly KMSVaultSecret[];
  /** The `KMSVaultSecret`s whose normalised `spec.path` is this; deleting ones included. */
  secretsAtPath(normalisedPath: string): readonly KMSVaultSecret[];
}

export type PatchOutcome =
  | { readonly outcome: 'patched' | 'unchanged' }
  /** The object does not exist any more; another one may have its name. */
  | { readonly outcome: 'gone' }
  /** RBAC does not allow it (the Go operator's role, say); logged once per kind and verb. */
  | { readonly outcome: 'forbidden' };

export interface StatusOf {
  KMSVaultSecret: KMSVaultSecretStatus;
  PartialKMSVaultSecret: PartialKMSVaultSecretStatus;
}

/** Reads and patches of our resources at the API server. */
export interface ResourceClient {
  /**
   * A live read, past the cache.
   * @returns undefined only when the API server says 404 for this object.
   * @throws KubeError for everything else (a retry, never "missing").
   */
  fetch(key: ResourceKey): Promise<Resource | undefined>;
  /**
   * Brings the status to `desired(current)`. Patches only what differs, with the resourceVersion as
   * precondition; on a conflict reads again and asks `desired` again. Fields that the server dropped
   * before (an older CRD) are not patched again. The cache sees the result at once if a watch has shown
   * the object.
   * @throws KubeError when the API server cannot be reached.
   */
  updateStatus<K extends Kind>(
    object: ResourceRef & { kind: K },
    desired: (current: StatusOf[K] | undefined, resource: Resource) => StatusOf[K],
  ): Promise<PatchOutcome>;
  /**
   * Removes our finalizer and nothing else, with the resourceVersion as precondition; on a conflict
   * reads again and retries.
   * @throws KubeError when the API server cannot be reached.
   */
  removeFinalizer(object: ResourceRef): Promise<PatchOutcome>;
  /** Drops what is remembered of a resource that is gone. */
  forget(key: ResourceKey): void;
}
