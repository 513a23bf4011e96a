import type { KMSVaultSecret } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { KvVersion } from '../vault/kv-store.js';
import { type Place, placeOf, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** What the status tells about one place. */
export interface KnownState {
  /** Whether the value was written, or found equal, at least once. */
  readonly created: boolean;
  readonly inputsHash?: string;
  readonly version?: KvVersion;
  readonly failedKeys: readonly string[];
  readonly failedKeysCut: boolean;
}

const NOTHING: KnownState = { created: false, failedKeys: [], failedKeysCut: false };

/**
 * The place that the status reports as written or found equal. A path without a version was written on v1.
 *
 * @returns undefined when the status has no path, like that of the Go operator. An invalid path is returned
 *   unchanged: it is checked before it is used.
 */
export function statusPlace({ status }: KMSVaultSecret): Place | undefined {
  if (status?.created !== true || typeof status.path !== 'string') return undefined;
  const parsed = parseVaultPath(status.path);
  return {
    path: parsed.ok ? parsed.path : status.path,
    engine: status.vaultVersion === undefined ? 'v1' : 'v2',
  };
}

/**
 * Whether `created` without a path, as the Go operator or an older CRD leaves it, is proven to be about the place
 * in the spec: by the memory of this process, by a `Ready` condition that is True for this generation, or because
 * the spec has never changed. `observedGeneration` alone proves nothing, since a refused or failed sync also sets
 * it.
 */
export function createdAtSpec(secret: KMSVaultSecret, memory: SyncMemory): boolean {
  const { status, metadata } = secret;
  if (status?.created !== true || status.path !== undefined) return false;
  if (samePlace(memory.held(metadata.uid)?.place, placeOf(secret))) return true;
  const generation = specGeneration(secret);
  if (generation === undefined) return false;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const readyNow =
    ready?.status === 'True' &&
    ready.observedGeneration === generation &&
    status.observedGeneration === generation;
  return generation === 1 || readyNow;
}

/**
 * The generation of the spec. Marking an object as being deleted raises `metadata.generation` by one
 * (apiserver, `markAsDeleting` in pkg/registry/generic/registry/store.go).
 */
function specGeneration({ metadata }: KMSVaultSecret): number | undefined {
  if (metadata.generation === undefined) return undefined;
  return metadata.deletionTimestamp === undefined ? metadata.generation : metadata.generation - 1;
}

/** What the status tells about `place`; nothing if it is about another place. */
export function knownState(secret: KMSVaultSecret, place: Place, memory: SyncMemory): KnownState {
  const named = statusPlace(secret);
  const isKnown = named === undefined ? createdAtSpec(secret, memory) : samePlace(named, place);
  if (!isKnown) return NOTHING;
  const { inputsHash, vaultVersion, vaultVersionCreated, failedKeys, failedKeysCut } = secret.status ?? {};
  return {
    created: true,
    failedKeys: (failedKeys ?? []).map((failed) => failed.key),
    failedKeysCut: failedKeysCut === true,
    ...(inputsHash === undefined ? {} : { inputsHash }),
    ...(vaultVersion === undefined || vaultVersionCreated === undefined
      ? {}
      : { version: { version: vaultVersion, createdTime: vaultVersionCreated } }),
  };
}

/** A place, and what the status tells about it. */
interface KnownPlace {
  readonly secret: KMSVaultSecret;
  readonly place: Place;
  readonly known: KnownState;
}

/** The version last written or found equal at the place; memory is newer than the status. */
export function lastVersion({ secret, place, known }: KnownPlace, memory: SyncMemory): KvVersion | undefined {
  return memory.version(secret.metadata.uid, place) ?? known.version;
}

/** Whether this place is proven to hold what this resource wrote or found equal. */
export function isOurs({ secret, place, known }: KnownPlace, memory: SyncMemory): boolean {
  return known.created || samePlace(memory.held(secret.metadata.uid)?.place, place);
}
