import type { API_VERSION, PARTIAL_KIND, SECRET_KIND } from './group.js';

/**
 * The fields of the resources as the CRDs in `manifests/crds` define them; a test compares the two. Objects
 * stored under an older CRD, or without validation, may differ: `validation.ts` checks every spec from the API
 * server before it is used.
 */

export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
}

export type EncryptionContext = Readonly<Record<string, string>>;
export type EngineVersion = 'v1' | 'v2';

export interface SecretItem {
  key: string;
  /** Base64 of the KMS ciphertext. */
  encryptedSecret?: string;
  secretContext?: EncryptionContext;
  /** When true the value is `""` and `encryptedSecret` is ignored. */
  emptySecret?: boolean;
}

export interface KvSettings {
  engineVersion: EngineVersion;
  /** v2 only; ignored on v1. When absent, the operator tracks versions automatically. */
  casIndex?: number;
  /** v2 only; ignored on v1. When absent, nothing of it is read or written. */
  metadata?: MetadataSettings;
  /** What a finalizer deletes on v2: all versions and the metadata (when absent), or only the current version. */
  deletion?: 'all' | 'latest';
}

/** The desired metadata of a v2 secret; a field that is absent stays as it is in Vault. */
export interface MetadataSettings {
  /** 0: the mount decides. */
  maxVersions?: number;
  /** A duration as Vault takes it; `0s`: never. */
  deleteVersionAfter?: string;
  casRequired?: boolean;
  /** The whole map: other keys are removed from Vault. */
  customMetadata?: Record<string, string>;
}

export interface KMSVaultSecretSpec {
  /** A Vault API path: `secret/app` on v1, `secret/data/app` on v2. */
  path: string;
  kvSettings: KvSettings;
  secrets?: SecretItem[];
  secretContext?: EncryptionContext;
  /** Names of partials of the same namespace. */
  includeSecrets?: string[];
  /** When true, nothing is read from or written to Vault and KMS for this resource. */
  suspend?: boolean;
}

export interface PartialKMSVaultSecretSpec {
  secrets?: SecretItem[];
  secretContext?: EncryptionContext;
}

/** The standard condition of Kubernetes, `meta/v1.Condition`. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  observedGeneration?: number;
  lastTransitionTime: string;
}

export interface FailedKey {
  key: string;
  reason: string;
}

/** A place that a resource is about to write for the first time, and what that place held before. */
export interface ClaimedPath {
  path: string;
  engineVersion: EngineVersion;
  /** `unknown` when the token may not read there. */
  held: 'nothing' | 'something' | 'unknown';
  /** v2 only: the version that the path held, 0 when there was none. */
  vaultVersion?: number;
  /** `created_time` of that version in Vault, as Vault spells it. */
  vaultVersionCreated?: string;
  /** Hash of the inputs of the first write, as in the status. */
  inputsHash: string;
}

export interface KMSVaultSecretStatus {
  /** Whether the value was written, or found equal, at least once; absent when another resource owns the path now. */
  created?: boolean;
  /** Where the value was written; the path that a finalizer may delete. */
  path?: string;
  /** -1, the default of the CRD, as long as the operator has not processed the object. */
  observedGeneration?: number;
  /** Synced keys and all keys, such as `3/4`. */
  keys?: string;
  failedKeys?: FailedKey[];
  /** True when `failedKeys` was cut to its first 50 entries. */
  failedKeysCut?: boolean;
  /** v2 only: the version that was written or found equal. */
  vaultVersion?: number;
  /** `created_time` of that version in Vault, as Vault spells it. */
  vaultVersionCreated?: string;
  inputsHash?: string;
  /** RFC 3339; changes only with a write. */
  lastWriteTime?: string;
  /** The last value of the annotation that was handled; see `reconcile-request.ts`. */
  lastHandledReconcileAt?: string;
  /** Set before the first write to a path, until `created` and `path` report it. */
  claim?: ClaimedPath;
  conditions?: Condition[];
}

export interface PartialKMSVaultSecretStatus {
  /** The Go operator's field; kept so that its objects stay valid. */
  created?: boolean;
  observedGeneration?: number;
  /** How many `KMSVaultSecret`s include this partial. */
  includedBy?: number;
  conditions?: Condition[];
  /** The last value of the annotation that was handled for all includers. */
  lastHandledReconcileAt?: string;
}

export interface KMSVaultSecret {
  apiVersion: typeof API_VERSION;
  kind: typeof SECRET_KIND;
  metadata: ObjectMeta;
  spec: KMSVaultSecretSpec;
  status?: KMSVaultSecretStatus;
}

export interface PartialKMSVaultSecret {
  apiVersion: typeof API_VERSION;
  kind: typeof PARTIAL_KIND;
  metadata: ObjectMeta;
  spec: PartialKMSVaultSecretSpec;
  status?: PartialKMSVaultSecretStatus;
}

export type Resource = KMSVaultSecret | PartialKMSVaultSecret;
