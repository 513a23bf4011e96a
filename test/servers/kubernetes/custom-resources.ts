import type { ResourceKind } from './kinds.js';
import type { KubeObject } from './objects.js';
import { applyDefaults, pruneUnknown, validateSchema } from './schema.js';
import type { StatusCause } from './status-errors.js';

/** A custom resource against the schema of its CRD. */
export const checkCustom = {
  /** The object with defaults and without unknown fields, and the paths of these fields. */
  prune(kind: ResourceKind, object: KubeObject): { pruned: KubeObject; unknown: string[] } {
    const schema = kind.custom?.schema ?? {};
    const { value, pruned } = pruneUnknown(schema, object);
    return { pruned: applyDefaults(schema, value) as KubeObject, unknown: pruned };
  },
  validate(kind: ResourceKind, object: KubeObject): StatusCause[] {
    return validateSchema(kind.custom?.schema ?? {}, object).map(({ field, type, message }) => ({
      reason: type,
      message,
      field,
    }));
  },
};
