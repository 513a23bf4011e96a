import { isDeepStrictEqual } from 'node:util';

import type { Resource } from '../api/resources.js';
import { SECRET_KIND } from '../api/group.js';
import { includesOf, normalisedPathOf } from '../kube/resource-cache.js';

/**
 * What a watch last showed of an object, as far as a reconcile depends on it. Kept apart from the
 * cache, which a conflict may have brought ahead of the watch: compared with the cache, the watch's
 * event would then look like nothing new, and the edit would wait for the resync.
 */
export interface Observation {
  readonly uid: string;
  readonly generation: number | undefined;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** Normalised; undefined for partials and unusable paths. */
  readonly path: string | undefined;
  readonly includes: readonly string[];
  /** Only where the server counts no generations. */
  readonly spec: unknown;
}

export function observationOf(resource: Resource): Observation {
  const { uid, generation, deletionTimestamp, finalizers } = resource.metadata;
  const secret = resource.kind === SECRET_KIND ? resource : undefined;
  return {
    uid,
    generation,
    deleting: (deletionTimestamp ?? '') !== '',
    finalizers: Array.isArray(finalizers) ? finalizers : [],
    path: secret === undefined ? undefined : normalisedPathOf(secret),
    includes: secret === undefined ? [] : includesOf(secret),
    spec: generation === undefined ? resource.spec : undefined,
  };
}

/** Whether a reconcile could come to another result; status, labels and annotations do not count. */
export function differs(before: Observation, after: Observation): boolean {
  return !isDeepStrictEqual(before, after);
}
