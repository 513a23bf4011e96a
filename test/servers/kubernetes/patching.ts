import type { ResourceKind } from './kinds.js';
import { isRecord, type KubeObject } from './objects.js';
import { badRequest, unsupportedMediaType } from './status-errors.js';

const MERGE = 'application/merge-patch+json';

/** The object that a patch makes of another one. */
export function applyPatch(
  target: KubeObject,
  contentType: string,
  body: string,
  _kind: ResourceKind,
): unknown {
  const type = (contentType.split(';')[0] ?? '').trim();
  if (type !== MERGE) throw unsupportedMediaType([MERGE]);
  try {
    return merge(target, JSON.parse(body));
  } catch {
    throw badRequest('error decoding patch');
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = merge(result[key], value);
  }
  return result;
}
