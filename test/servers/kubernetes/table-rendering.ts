import type { ResourceKind } from './kinds.js';
import type { KubeObject } from './objects.js';

/** A `meta.k8s.io/v1` Table of objects, with the columns of their kind. */
export function tableOf(
  _kind: ResourceKind,
  objects: readonly KubeObject[],
  includeObject: string,
  metadata: Record<string, unknown>,
): Record<string, unknown> {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: [{ name: 'Name', type: 'string', format: 'name', description: '', priority: 0 }],
    rows: objects.map((object) => ({
      cells: [object.metadata.name],
      ...(includeObject === 'None'
        ? {}
        : {
            object:
              includeObject === 'Object'
                ? object
                : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
          }),
    })),
  };
}
