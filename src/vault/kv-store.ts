import type { EngineVersion } from '../api/resources.js';
import type { SecretData } from './secret-data.js';

/** A version of a v2 secret; both fields together identify it, even after the secret was re-created. */
export interface KvVersion {
  readonly version: number;
  /** `created_time` as Vault spells it (RFC 3339 with nanoseconds). */
  readonly createdTime: string;
}

/** `custom_metadata` of a v2 secret. */
export type CustomMetadata = ReadonlyMap<string, string>;

/** The settings of a v2 secret that are independent of its versions. */
export interface KvMetadata {
  /** 0: the mount decides. */
  readonly maxVersions: number;
  /** 0: never. */
  readonly deleteVersionAfterSeconds: number;
  readonly casRequired: boolean;
  readonly customMetadata: CustomMetadata;
  /** `current_metadata_version`, for check-and-set; OpenBao only. */
  readonly revision?: number;
}

/** What to change; `customMetadata` replaces the whole map. With `revision`, only if the metadata still has that one. */
export type KvMetadataChange = Partial<KvMetadata>;

/**
 * The secret at a path in Vault. `deleted` (v2 only): the current version is deleted or destroyed, which counts as
 * empty data at that version. `version` is absent on v1 only. `customMetadata` is there if Vault answered with some.
 */
export type KvReading =
  | { readonly state: 'absent' }
  | {
      readonly state: 'live';
      readonly data: SecretData;
      readonly version?: KvVersion;
      readonly customMetadata?: CustomMetadata;
    }
  | { readonly state: 'deleted'; readonly version: KvVersion; readonly customMetadata?: CustomMetadata };

/**
 * Called right before every attempt of a request that changes something, including retries; if it throws, nothing is
 * sent.
 */
export type SendGuard = () => void;

/** How a request that changes something is sent. */
export interface ChangeOptions {
  readonly guard?: SendGuard;
  readonly signal?: AbortSignal | undefined;
}

/** One secret at one path of a mount whose engine version has been checked. */
export interface KvSecret {
  readonly engine: EngineVersion;
  /** @throws VaultError; `forbidden` when the token may not read here. */
  read(signal?: AbortSignal): Promise<KvReading>;
  /**
   * v2 only: `created_time` of a version, as Vault spells it; undefined when Vault does not have it any more, or
   * never had it.
   */
  createdTimeOf?(version: number, signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Replaces the whole secret. `cas` is required on v2 and ignored on v1.
   * @returns the version written, on v2.
   * @throws VaultError; `rejected` (HTTP 400) may be a check-and-set mismatch: read again to tell. Whatever
   *   the guard throws.
   */
  write(data: SecretData, cas: number | undefined, options?: ChangeOptions): Promise<KvVersion | undefined>;
  /**
   * v1: the path; v2: all versions and the metadata. A missing path is not an error. The mount is looked up again first,
   * because another engine would interpret the request differently.
   *
   * @throws VaultError `engine-mismatch` when another engine is mounted there by now. Whatever the guard
   *   throws.
   */
  remove(options?: ChangeOptions): Promise<void>;
  /**
   * v2 only: deletes the current version, which can be undeleted; older versions and the metadata stay. As
   * {@link remove} otherwise.
   */
  removeLatest?(options?: ChangeOptions): Promise<void>;
  /**
   * v2 only.
   * @returns undefined when Vault has no metadata, and so no version, of this secret.
   * @throws VaultError; `forbidden` when the token may not read the metadata.
   */
  readMetadata?(signal?: AbortSignal): Promise<KvMetadata | undefined>;
  /**
   * v2 only: changes only what is given; creates the metadata of a secret without versions.
   * @throws VaultError; `rejected` when a revision is given and the metadata has another one by now. Whatever the guard
   *   throws.
   */
  writeMetadata?(change: KvMetadataChange, options?: ChangeOptions): Promise<void>;
}

export interface KvStore {
  /**
   * Looks up the mount of a normalised path and checks that it is K/V of the given version.
   * @throws VaultError `engine-mismatch`, `forbidden` (no permission, or no such mount), `unavailable`.
   */
  open(path: string, engine: EngineVersion, signal?: AbortSignal): Promise<KvSecret>;
  /**
   * Whether Vault says that there is no mount for this path. The mount look-up answers 403 both for a missing mount and
   * for one that the token may not see; a plain read of the path distinguishes them, for tokens that may read there.
   * @returns false when Vault does not say so, for any reason; never throws `forbidden`.
   * @throws VaultError `unavailable`.
   */
  mountIsGone(path: string, signal?: AbortSignal): Promise<boolean>;
  /** Drops all cached mount look-ups; called once per sync period. */
  forgetMounts(): void;
}
