import { CUSTOM_METADATA_LIMITS } from '../api/metadata-rules.js';
import type { KMSVaultSecret } from '../api/resources.js';
import { vaultSeconds } from '../api/vault-duration.js';
import type { CustomMetadata, KvMetadata, KvMetadataChange, KvReading } from '../vault/kv-store.js';

/** The value of the key `managed-by` that `--provenance` sets. */
export const MANAGED_BY = 'kms-vault-operator';

/** The metadata that a resource wants in Vault; what is absent stays as it is there. */
export interface WantedMetadata {
  /** The spec asks for it, not only `--provenance`. */
  readonly fromSpec: boolean;
  readonly maxVersions?: number;
  readonly deleteVersionAfterSeconds?: number;
  readonly casRequired?: boolean;
  /** The whole map, without provenance; undefined: the keys that are there stay. */
  readonly customMetadata?: CustomMetadata;
  /** Keys that `--provenance` sets; one without a value keeps the one that it has. */
  readonly provenance: ReadonlyMap<string, string | undefined>;
}

/** What Vault has for a secret that nobody has given any metadata. */
export const NO_METADATA: KvMetadata = {
  maxVersions: 0,
  deleteVersionAfterSeconds: 0,
  casRequired: false,
  customMetadata: new Map(),
};

/** @returns undefined when nothing is wanted, as always on v1. The spec has been checked. */
export function wantedMetadata(secret: KMSVaultSecret, withProvenance: boolean): WantedMetadata | undefined {
  const { engineVersion, metadata } = secret.spec.kvSettings;
  if (engineVersion !== 'v2') return undefined;
  const { maxVersions, deleteVersionAfter, casRequired, customMetadata } = metadata ?? {};
  const seconds = vaultSeconds(deleteVersionAfter ?? '');
  const custom = new Map(Object.entries(customMetadata ?? {}));
  const fields = {
    ...given('maxVersions', maxVersions),
    ...given('casRequired', casRequired),
    ...given('deleteVersionAfterSeconds', isGiven(deleteVersionAfter) ? seconds : undefined),
    ...given('customMetadata', isGiven(customMetadata) ? custom : undefined),
  };
  const fromSpec = Object.keys(fields).length > 0;
  if (!fromSpec && !withProvenance) return undefined;
  return { fromSpec, ...fields, provenance: withProvenance ? provenanceOf(secret) : new Map() };
}

/** Whether Vault deletes each version after some time, because the resource asks for it. */
export function versionsExpire({ spec }: KMSVaultSecret): boolean {
  return (vaultSeconds(spec.kvSettings.metadata?.deleteVersionAfter ?? '') ?? 0) > 0;
}

/** Whether it contains what acts at the time of a write of data. */
export function actsOnWrites(wanted: WantedMetadata): boolean {
  const { maxVersions, deleteVersionAfterSeconds, casRequired } = wanted;
  return [maxVersions, deleteVersionAfterSeconds, casRequired].some((value) => value !== undefined);
}

/** Whether a reading of the data shows that Vault has it all; false when it does not tell. */
export function isShownBy(reading: KvReading | 'unknown', wanted: WantedMetadata): boolean {
  if (actsOnWrites(wanted) || reading === 'unknown' || reading.state === 'absent') return false;
  const { customMetadata } = reading;
  return customMetadata !== undefined && sameMap(customMetadata, customOf(wanted, customMetadata));
}

/** The differences; undefined when there are none. */
export function metadataChange(
  wanted: WantedMetadata,
  current: KvMetadata | undefined,
): KvMetadataChange | undefined {
  const before = current ?? NO_METADATA;
  const custom = customOf(wanted, before.customMetadata);
  const change: KvMetadataChange = {
    ...differing('maxVersions', wanted.maxVersions, before.maxVersions),
    ...differing(
      'deleteVersionAfterSeconds',
      wanted.deleteVersionAfterSeconds,
      before.deleteVersionAfterSeconds,
    ),
    ...differing('casRequired', wanted.casRequired, before.casRequired),
    ...(sameMap(before.customMetadata, custom) ? {} : { customMetadata: custom }),
  };
  if (Object.keys(change).length === 0) return undefined;
  const { revision } = before;
  return { ...change, ...(revision === undefined ? {} : { revision }) };
}

/**
 * The map that Vault should have, given what it has. Provenance takes precedence over the spec, so that no author can
 * claim another origin; where both together exceed Vault's limit, the provenance is left out.
 */
export function customOf(
  { customMetadata, provenance }: Pick<WantedMetadata, 'customMetadata' | 'provenance'>,
  before: CustomMetadata,
): CustomMetadata {
  const base = customMetadata ?? before;
  const custom = new Map(base);
  for (const [key, value] of provenance) {
    const kept = value ?? before.get(key);
    if (kept !== undefined) custom.set(key, kept);
  }
  return custom.size > CUSTOM_METADATA_LIMITS.keys ? base : custom;
}

function provenanceOf({ metadata }: KMSVaultSecret): ReadonlyMap<string, string | undefined> {
  const { namespace, name, generation } = metadata;
  return new Map([
    ['managed-by', MANAGED_BY],
    ['resource', `${namespace}/${name}`],
    ['generation', generation === undefined ? undefined : String(generation)],
  ]);
}

/** A stored null counts as absent. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function given<Name extends string, T>(name: Name, value: T | null | undefined): Partial<Record<Name, T>> {
  return !isGiven(value) ? {} : ({ [name]: value } as Record<Name, T>);
}

function differing<Name extends string, T>(
  name: Name,
  wanted: T | undefined,
  is: T,
): Partial<Record<Name, T>> {
  return wanted === undefined || wanted === is ? {} : ({ [name]: wanted } as Record<Name, T>);
}

function sameMap(a: CustomMetadata, b: CustomMetadata): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
