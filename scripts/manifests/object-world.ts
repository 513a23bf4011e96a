import { isKind, type KubernetesObject, type Workload } from './kubernetes-object.js';

/** Objects that are applied together. */
export interface World {
  readonly objects: readonly KubernetesObject[];
  readonly workloads: readonly Workload[];
}

/** The object of a kind, in any version of the group; `namespace` undefined: not in a namespace. */
export function find(
  { objects }: World,
  group: string,
  kind: string,
  namespace: string | undefined,
  name: string,
): KubernetesObject | undefined {
  return objects.find(
    (object) =>
      isKind(object, group, kind) && object.metadata.namespace === namespace && object.metadata.name === name,
  );
}

/** Is it there? */
export function exists(...[world, group, kind, namespace, name]: Parameters<typeof find>): boolean {
  return find(world, group, kind, namespace, name) !== undefined;
}
