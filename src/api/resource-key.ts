import type { Kind } from './group.js';

/** Identifies one resource; equal keys have equal {@link keyString}s. */
export interface ResourceKey {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

export function keyString(key: ResourceKey): string {
  return `${key.kind}/${key.namespace}/${key.name}`;
}

export function keyOf(resource: { kind: Kind; metadata: { namespace: string; name: string } }): ResourceKey {
  return { kind: resource.kind, namespace: resource.metadata.namespace, name: resource.metadata.name };
}

/** Identifies one object: an object that is deleted and created again under the same name has another uid. */
export interface ResourceRef extends ResourceKey {
  readonly uid: string;
}

export function refOf<K extends Kind>(resource: {
  kind: K;
  metadata: { namespace: string; name: string; uid: string };
}): ResourceRef & { readonly kind: K } {
  const { namespace, name, uid } = resource.metadata;
  return { kind: resource.kind, namespace, name, uid };
}
