import type { Kind } from './group.js';

/** Identifies one resource of ours; equal keys have equal {@link keyString}s. */
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
