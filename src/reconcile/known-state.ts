import type { KMSVaultSecret } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { KvVersion } from '../vault/kv-store.js';
import { type Place, placeOf, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** What the status says of one place. */
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
 * The place that the status names as written or found equal. A path without a version was written on v1.
 *
 * @returns undefined when the status names no path, as that of the Go operator. A path that is refused is
 *   returned as it stands: it is checked before anything is done with it.
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
 * Whether a `created` without a path, as the Go operator or an older CRD leaves it, is shown to mean
 * the place that the spec names now: by this process's memory, by a `Ready` condition that is True for
 * this very generation, or because the spec has never changed. `observedGeneration` alone shows nothing,
 * since a refused or failed sync sets it, too.
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

/** What the status says of `place`; nothing when it speaks of another one. */
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

/** A place, and what the status says of it. */
interface KnownPlace {
  readonly secret: KMSVaultSecret;
  readonly place: Place;
  readonly known: KnownState;
}

/** The version that was last written or found equal at the place: memory is newer than the status. */
export function lastVersion({ secret, place, known }: KnownPlace, memory: SyncMemory): KvVersion | undefined {
  return memory.version(secret.metadata.uid, place) ?? known.version;
}

/** Whether this very place is shown to hold what this resource wrote or found equal. */
export function isOurs({ secret, place, known }: KnownPlace, memory: SyncMemory): boolean {
  return known.created || samePlace(memory.held(secret.metadata.uid)?.place, place);
}
