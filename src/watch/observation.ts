import { isDeepStrictEqual } from 'node:util';

import type { Resource } from '../api/resources.js';
import { SECRET_KIND } from '../api/group.js';
import { reconcileRequestOf } from '../kube/reconcile-request.js';
import { includesOf, normalisedPathOf } from '../kube/resource-cache.js';

/**
 * What a watch last reported about an object, as far as a reconcile depends on it. Kept apart from the cache, which may
 * be ahead of the watch after a conflict: compared with the cache, the event would look like no change, and the edit
 * would wait for the resync.
 */
export interface Observation {
  readonly uid: string;
  readonly generation: number | undefined;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** Normalised; undefined for partials and unusable paths. */
  readonly path: string | undefined;
  readonly includes: readonly string[];
  /** The last request for a sync: the one annotation that matters. To remove it is no request. */
  readonly reconcileAt: string | undefined;
  /** Only where the server counts no generations. */
  readonly spec: unknown;
}

/** @param before what was reported about the same key before. */
export function observationOf(resource: Resource, before?: Observation): Observation {
  const { uid, generation, deletionTimestamp, finalizers } = resource.metadata;
  const secret = resource.kind === SECRET_KIND ? resource : undefined;
  return {
    uid,
    generation,
    deleting: (deletionTimestamp ?? '') !== '',
    finalizers: Array.isArray(finalizers) ? finalizers : [],
    path: secret === undefined ? undefined : normalisedPathOf(secret),
    includes: secret === undefined ? [] : includesOf(secret),
    reconcileAt:
      reconcileRequestOf(resource.metadata) ?? (before?.uid === uid ? before.reconcileAt : undefined),
    spec: generation === undefined ? resource.spec : undefined,
  };
}

/** Whether a reconcile could have another result; status, labels and other annotations do not matter. */
export function differs(before: Observation, after: Observation): boolean {
  return !isDeepStrictEqual(before, after);
}
