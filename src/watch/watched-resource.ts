/** One collection that is listed and watched. */
export interface WatchedResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** Absent: all namespaces. */
  readonly namespace?: string;
}

/** The collection's path below the server's URL. */
export function pathOf({ group, version, plural, namespace }: WatchedResource): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}

export function apiVersionOf({ group, version }: WatchedResource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** An object as far as a watch needs it; the rest is whatever the server stored. */
export interface WatchedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion: string;
  };
}

/** Whether an object has what identifies it; objects without are counted as malformed. */
export function isWatchedObject(value: unknown): value is WatchedObject {
  if (typeof value !== 'object' || value === null) return false;
  const { apiVersion, kind, metadata } = value as Record<string, unknown>;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return false;
  if (typeof metadata !== 'object' || metadata === null) return false;
  const { name, namespace, resourceVersion } = metadata as Record<string, unknown>;
  return (
    isText(name) && isText(resourceVersion) && (namespace === undefined || typeof namespace === 'string')
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
