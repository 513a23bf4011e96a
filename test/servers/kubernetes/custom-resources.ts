import type { ResourceKind } from './kinds.js';
import { copyJson, isRecord, type KubeObject } from './objects.js';
import { pruneUnknown, validateSchema } from './schema.js';
import type { StatusCause } from './status-errors.js';

/** A custom resource against the schema of its CRD. */
export const checkCustom = {
  /** The object with defaults, without the fields that the schema does not know, and their paths. */
  prune(kind: ResourceKind, object: KubeObject): { pruned: KubeObject; unknown: string[] } {
    const schema = kind.custom?.schema ?? {};
    const { value, pruned } = pruneUnknown(schema, object);
    return { pruned: withDefaults(schema, value) as KubeObject, unknown: pruned };
  },
  validate(kind: ResourceKind, object: KubeObject): StatusCause[] {
    return validateSchema(kind.custom?.schema ?? {}, object).map(({ field, type, message }) => ({
      reason: type,
      message,
      field,
    }));
  },
};

/** Defaults where a field is absent; a null that the schema does not allow counts as absent. */
function withDefaults(schema: unknown, value: unknown): unknown {
  if (!isRecord(schema)) return value;
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema['items'], item));
  if (!isRecord(value)) return value;
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  const fields = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    const own = Object.hasOwn(properties, key) ? properties[key] : schema['additionalProperties'];
    if (inner === null && isRecord(own) && own['nullable'] !== true) continue;
    fields.set(key, withDefaults(own, inner));
  }
  for (const [key, own] of Object.entries(properties)) {
    if (!isRecord(own) || own['default'] === undefined || fields.has(key)) continue;
    fields.set(key, withDefaults(own, copyJson(own['default'])));
  }
  return Object.fromEntries(fields);
}
