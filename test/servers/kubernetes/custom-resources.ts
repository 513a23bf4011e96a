import type { ResourceKind } from './kinds.js';
import type { KubeObject } from './objects.js';
import type { StatusCause } from './status-errors.js';

/** A custom resource against the schema of its CRD. */
export const checkCustom = {
  /** The object without the fields that the schema does not know, and their paths. */
  prune(_kind: ResourceKind, object: KubeObject): { pruned: KubeObject; unknown: string[] } {
    return { pruned: object, unknown: [] };
  },
  validate(_kind: ResourceKind, _object: KubeObject): StatusCause[] {
    return [];
  },
};
