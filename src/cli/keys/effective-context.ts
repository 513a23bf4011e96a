import { PARTIAL_KIND } from '../../api/group.js';
import type { EncryptionContext } from '../../api/resources.js';
import { isContext, nonEmptyContext } from '../../api/validation.js';
import { itemsIn, type ManifestResource, record } from '../files/manifest-resource.js';

/** The context that the operator decrypts an item with, and whose it is. */
export interface EffectiveContext {
  readonly context: EncryptionContext;
  /**
   * `includer`: a partial without a context takes the one of each resource that includes it. `base`: a patch for
   * kustomize without a context takes the one of the resource that it changes.
   */
  readonly from: 'item' | 'resource' | 'includer' | 'base' | 'nobody';
}

const NO_CONTEXT: EncryptionContext = {};

/** The first that is not empty: the item's own context, that of its resource, for a partial that of the including one. */
export function effectiveContext(resource: ManifestResource, key: string): EffectiveContext {
  const { object, kind } = resource;
  const item = itemsIn(object).find((candidate) => record(candidate).key === key);
  const own = contextOf(record(item).secretContext);
  if (own !== undefined) return { context: own, from: 'item' };
  const spec = record(record(object).spec);
  const ofResource = contextOf(spec.secretContext);
  if (ofResource !== undefined) return { context: ofResource, from: 'resource' };
  if (kind === PARTIAL_KIND) return { context: NO_CONTEXT, from: 'includer' };
  // Every whole resource has a path.
  return { context: NO_CONTEXT, from: spec.path === undefined ? 'base' : 'nobody' };
}

/** `the context environment=prod of the resource`. */
export function contextText({ context, from }: EffectiveContext): string {
  switch (from) {
    case 'item':
      return `the context ${pairsText(context)} of the item`;
    case 'resource':
      return `the context ${pairsText(context)} of the resource`;
    case 'includer':
      return 'no context, as long as the resources that include the partial have none';
    case 'base':
      return 'no context, as long as the resource that the patch changes has none';
    case 'nobody':
      return 'no context';
  }
}

/** `a=1,b=2`. */
export function pairsText(context: EncryptionContext): string {
  return Object.entries(context)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

export function sameContext(a: EncryptionContext, b: EncryptionContext): boolean {
  const sorted = (context: EncryptionContext): string => JSON.stringify(Object.entries(context).sort());
  return sorted(a) === sorted(b);
}

function contextOf(value: unknown): EncryptionContext | undefined {
  return isContext(value) ? nonEmptyContext(value) : undefined;
}
