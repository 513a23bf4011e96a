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
 * The resources as last reported by the watches or by answers to our own requests; never older than what was seen
 * before. Objects are read-only; `managedFields` are stripped.
 */
export interface ResourceCache {
  secret(namespace: string, name: string): KMSVaultSecret | undefined;
  partial(namespace: string, name: string): PartialKMSVaultSecret | undefined;
  secrets(): Iterable<KMSVaultSecret>;
  partials(): Iterable<PartialKMSVaultSecret>;
  /** The `KMSVaultSecret`s of the namespace that name the partial in `includeSecrets`. */
  includersOf(namespace: string, partialName: string): readonly KMSVaultSecret[];
  /** The `KMSVaultSecret`s with this normalised `spec.path`, including those that are being deleted. */
  secretsAtPath(normalisedPath: string): readonly KMSVaultSecret[];
}

export type PatchOutcome =
  | { readonly outcome: 'patched' | 'unchanged' }
  /** The object does not exist any more; another one may have the same name. */
  | { readonly outcome: 'gone' }
  /** RBAC forbids it (for example the Go operator's role); logged once per kind and verb. */
  | { readonly outcome: 'forbidden' };

export interface StatusOf {
  KMSVaultSecret: KMSVaultSecretStatus;
  PartialKMSVaultSecret: PartialKMSVaultSecretStatus;
}

/** Reads and patches resources at the API server. */
export interface ResourceClient {
  /**
   * Reads an object from the API server, not from the cache.
   * @returns undefined only when the API server says 404 for this object.
   * @throws KubeError for everything else (a retry, never "missing").
   */
  fetch(key: ResourceKey): Promise<Resource | undefined>;
  /**
   * Updates the status to `desired(current)`. Patches only what differs, with the resourceVersion as precondition;
   * after a conflict it reads the object and calls `desired` again. Fields that the server dropped before (an older
   * CRD) are not patched again. The cache is updated immediately if a watch has reported the object.
   * @throws KubeError when the API server cannot be reached.
   */
  updateStatus<K extends Kind>(
    object: ResourceRef & { kind: K },
    desired: (current: StatusOf[K] | undefined, resource: Resource) => StatusOf[K],
  ): Promise<PatchOutcome>;
  /**
   * Removes only our finalizer, with the resourceVersion as precondition; after a conflict it reads the object and
   * tries again.
   * @throws KubeError when the API server cannot be reached.
   */
  removeFinalizer(object: ResourceRef): Promise<PatchOutcome>;
  /** Drops what is remembered about a resource that is gone. */
  forget(key: ResourceKey): void;
}
