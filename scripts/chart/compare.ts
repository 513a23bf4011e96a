import { isDeepStrictEqual } from 'node:util';

import type { KubernetesObject } from '../manifests/kubernetes-object.js';

type Fields = Record<string, unknown>;

/** Lists of a pod whose order means nothing, because no variable refers to another. */
const BY_NAME = new Set(['env', 'volumes', 'volumeMounts']);

/**
 * In what the objects of the chart differ from those of kustomize, one line each.
 *
 * @param onlyKustomize objects, as `Kind name`, that kustomize alone has to make.
 */
export function differences(
  kustomize: readonly KubernetesObject[],
  chart: readonly KubernetesObject[],
  onlyKustomize: readonly string[] = [],
): string[] {
  const own = new Map(kustomize.map((object) => [idOf(object), object]));
  const ours = new Map(chart.filter((object) => !isHook(object)).map((object) => [idOf(object), object]));
  const found: string[] = [];
  for (const [id, object] of own) {
    const made = ours.get(id);
    const expected = onlyKustomize.includes(`${object.kind} ${object.metadata.name}`);
    if (made === undefined) {
      if (!expected) found.push(`${id}: not in the chart`);
    } else if (expected) found.push(`${id}: in the chart too`);
    else found.push(...unequal(normal(object), normal(made)).map((line) => `${id}: ${line}`));
  }
  for (const id of ours.keys()) if (!own.has(id)) found.push(`${id}: only in the chart`);
  for (const name of onlyKustomize) {
    if (!kustomize.some(({ kind, metadata }) => `${kind} ${metadata.name}` === name))
      found.push(`${name}: not in kustomize`);
  }
  return found;
}

function idOf({ apiVersion, kind, metadata }: KubernetesObject): string {
  return `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

function isHook({ metadata }: KubernetesObject): boolean {
  return metadata.annotations?.['helm.sh/hook'] !== undefined;
}

/** Without what only Helm writes; the order of flags is no difference. */
function normal(object: KubernetesObject): unknown {
  const copy = structuredClone(object) as unknown as { metadata: { annotations?: Fields; labels?: Fields } };
  withoutKey(copy.metadata, 'annotations', 'helm.sh/resource-policy');
  return JSON.parse(JSON.stringify(copy), (key, value: unknown) => {
    // For the API server, null is absent.
    if (value === null) return undefined;
    if (key === 'args' && Array.isArray(value)) return [...(value as string[])].sort();
    if (BY_NAME.has(key) && Array.isArray(value)) return byName(value as { name: string }[]);
    if (key === 'labels' && typeof value === 'object' && value !== null) {
      const { 'app.kubernetes.io/managed-by': _, ...rest } = value as Fields;
      return rest;
    }
    return value;
  });
}

function byName(items: readonly { name: string }[]): unknown {
  return [...items].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function withoutKey(metadata: { annotations?: Fields }, field: 'annotations', key: string): void {
  const map = metadata[field];
  if (map === undefined) return;
  Reflect.deleteProperty(map, key);
  if (Object.keys(map).length === 0) Reflect.deleteProperty(metadata, field);
}

function unequal(one: unknown, other: unknown, path = ''): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (isFields(one) && isFields(other)) {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...keys].flatMap((key) => unequal(one[key], other[key], path === '' ? key : `${path}.${key}`));
  }
  if (Array.isArray(one) && Array.isArray(other) && one.length === other.length)
    return one.flatMap((item, index) => unequal(item, other[index], `${path}[${String(index)}]`));
  return [`${path}: ${shown(one)} in kustomize, ${shown(other)} in the chart`];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
