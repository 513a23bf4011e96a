import type { EngineVersion, KMSVaultSecret } from '../api/resources.js';
import { checkSecretSpec } from '../api/validation.js';
import { parseVaultPath } from '../api/vault-path.js';

/**
 * Where a value is in Vault. The same path under another engine is another place: its mount was replaced.
 */
export interface Place {
  /** Normalised. */
  readonly path: string;
  readonly engine: EngineVersion;
}

export function samePlace(a: Place | undefined, b: Place | undefined): boolean {
  return a !== undefined && b !== undefined && a.path === b.path && a.engine === b.engine;
}

/**
 * Cached by spec: the place is needed for each key of a resource, and checking a spec goes through all keys. A
 * changed spec is another object.
 */
const places = new WeakMap<object, Place | 'none'>();

/** The place that a spec names; undefined if the spec or its path is invalid. */
export function placeOf({ spec }: KMSVaultSecret): Place | undefined {
  const key: unknown = spec;
  if (typeof key !== 'object' || key === null) return undefined;
  const place = places.get(key) ?? checkedPlace(spec) ?? 'none';
  places.set(key, place);
  return place === 'none' ? undefined : place;
}

function checkedPlace(spec: KMSVaultSecret['spec']): Place | undefined {
  const checked = checkSecretSpec(spec);
  if (!checked.ok) return undefined;
  const parsed = parseVaultPath(checked.spec.path);
  return parsed.ok ? { path: parsed.path, engine: checked.spec.kvSettings.engineVersion } : undefined;
}
