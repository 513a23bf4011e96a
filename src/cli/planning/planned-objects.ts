import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { API_VERSION } from '../../api/group.js';
import type { ObjectMeta, Resource } from '../../api/resources.js';
import { record } from '../files/manifest-resource.js';
import type { DeclaredResource } from './declared-resources.js';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * The object of the cluster after `kubectl apply`: the spec of the file; identity, age and status of what is there.
 *
 * @param existing the object in the cluster; `unknown` when the cluster is not asked, and the file itself may be a copy
 *   of an object with its status.
 */
export function appliedObject(
  { kind, namespace, name, object }: DeclaredResource,
  existing: Resource | 'unknown' | undefined,
  now: Date,
): Resource {
  const { spec } = object;
  const live = typeof existing === 'object' ? existing : undefined;
  // Without a cluster, the file may be a copy of an object in it.
  const known = record(existing === 'unknown' ? object : live);
  const isEdited = live !== undefined && !isDeepStrictEqual(plain(live.spec), plain(spec));
  const finalizers = finalizersOf(record(object.metadata).finalizers, live?.metadata);
  return {
    apiVersion: API_VERSION,
    kind,
    metadata: {
      ...identityOf(record(known.metadata), { isNew: existing === undefined, isEdited, now }),
      name,
      namespace,
      resourceVersion: '',
      ...(finalizers === undefined ? {} : { finalizers }),
    },
    spec,
    ...(typeof known.status === 'object' && known.status !== null ? { status: known.status } : {}),
  } as unknown as Resource;
}

/** The fields that the API server sets. */
function identityOf(
  known: Readonly<Record<string, unknown>>,
  { isNew, isEdited, now }: { readonly isNew: boolean; readonly isEdited: boolean; readonly now: Date },
): Partial<ObjectMeta> {
  const { uid, creationTimestamp, deletionTimestamp, generation } = known;
  const before = isNew ? 1 : typeof generation === 'number' ? generation : undefined;
  return {
    uid: typeof uid === 'string' ? uid : `new ${randomUUID()}`,
    creationTimestamp: typeof creationTimestamp === 'string' ? creationTimestamp : seconds(later(now)),
    ...(typeof deletionTimestamp === 'string' ? { deletionTimestamp } : {}),
    ...(before === undefined ? {} : { generation: isEdited ? before + 1 : before }),
  };
}

/** A list in the file replaces the one in the cluster; one that the last apply set goes when the file has none. */
function finalizersOf(declared: unknown, live: ObjectMeta | undefined): string[] | undefined {
  if (Array.isArray(declared)) return declared.filter((name): name is string => typeof name === 'string');
  return wasApplied(live) ? undefined : live?.finalizers;
}

function wasApplied(live: ObjectMeta | undefined): boolean {
  const text = live?.annotations?.[LAST_APPLIED];
  if (text === undefined) return false;
  try {
    return Array.isArray(record(record(JSON.parse(text)).metadata).finalizers);
  } catch {
    return false;
  }
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/** Younger than everything in the cluster, whose clock may be ahead: the oldest resource owns a path. */
function later(now: Date): Date {
  return new Date(now.getTime() + 3_600_000);
}

/** `metav1.Time` has whole seconds. */
function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
