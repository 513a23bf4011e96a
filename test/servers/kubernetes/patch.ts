import { isRecord } from './objects.js';

/** A patch that cannot be applied, with the status that the real server answers. */
export class PatchError extends Error {
  constructor(
    readonly status: 400 | 500,
    message: string,
  ) {
    super(message);
    this.name = 'PatchError';
  }
}

/**
 * JSON Merge Patch (RFC 7386); keys such as `__proto__` are keys like any other.
 *
 * @throws PatchError 400 for a patch that is no object: the whole resource cannot be replaced by text.
 */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) throw undecodable(patch, 'map[string]interface {}');
  return mergeObject(target, patch);
}

function mergeObject(target: unknown, patch: Record<string, unknown>): unknown {
  const merged = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, isRecord(value) ? mergeObject(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}

/** The name of a wrong JSON type in errors of Go's decoder. */
export function undecodable(value: unknown, wanted: string): PatchError {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return new PatchError(
    400,
    `error decoding patch: json: cannot unmarshal ${found} into Go value of type ${wanted}`,
  );
}
