import { isRecord, sameJson } from './objects.js';

/**
 * Merge keys of the lists of built-in kinds that `kubectl apply` patches, by the field's name
 * (`patchMergeKey` in the Go types of k8s.io/api). Lists of plain values that merge have none.
 */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  imagePullSecrets: 'name',
  secrets: 'name',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
  conditions: 'type',
  ownerReferences: 'uid',
  webhooks: 'name',
};
const MERGED_SETS: ReadonlySet<string> = new Set(['finalizers']);
const DIRECTIVES = /^\$(patch|retainKeys|setElementOrder\/|deleteFromPrimitiveList\/)/;

/** Strategic merge patch, as "Strategic Merge Patch" of the Kubernetes API conventions describes it. */
export function applyStrategicMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  if (patch.$patch === 'delete') return undefined;
  const merged = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  if (Array.isArray(patch.$retainKeys)) {
    for (const key of merged.keys()) if (!patch.$retainKeys.includes(key)) merged.delete(key);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/') && Array.isArray(value)) {
      const field = key.slice(key.indexOf('/') + 1);
      const list = merged.get(field);
      if (Array.isArray(list))
        merged.set(
          field,
          list.filter((item) => !value.includes(item)),
        );
    } else if (DIRECTIVES.test(key)) {
      continue;
    } else if (value === null) {
      merged.delete(key);
    } else {
      const next = mergeField(key, merged.get(key), value);
      if (next === undefined) merged.delete(key);
      else merged.set(key, next);
    }
  }
  return Object.fromEntries(merged);
}

function mergeField(name: string, target: unknown, value: unknown): unknown {
  if (!Array.isArray(value)) return applyStrategicMergePatch(target, value);
  const list: unknown[] = Array.isArray(target) ? target : [];
  if (MERGED_SETS.has(name))
    return [...list, ...value.filter((item) => !list.some((old) => sameJson(old, item)))];
  const key = name === 'ports' ? portKey(value) : MERGE_KEYS[name];
  return key === undefined ? value.map(withoutDirectives) : mergeList(list, value, key);
}

/** Ports of a container merge by `containerPort`, those of a Service by `port`. */
function portKey(ports: readonly unknown[]): string {
  return ports.some((port) => isRecord(port) && 'containerPort' in port) ? 'containerPort' : 'port';
}

function mergeList(target: readonly unknown[], patch: readonly unknown[], key: string): unknown[] {
  if (patch.some((item) => isRecord(item) && item.$patch === 'replace' && !(key in item))) {
    return patch.filter((item) => !(isRecord(item) && item.$patch === 'replace')).map(withoutDirectives);
  }
  const result = [...target];
  for (const item of patch) {
    if (!isRecord(item)) continue;
    const index = result.findIndex((old) => isRecord(old) && sameJson(old[key], item[key]));
    if (item.$patch === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) {
      result[index] = applyStrategicMergePatch(result[index], item);
    } else {
      result.push(withoutDirectives(item));
    }
  }
  return result;
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([key]) => !DIRECTIVES.test(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutDirectives(inner)]));
}
