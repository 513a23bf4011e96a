/**
 * How strategic merge treats a list: merged by a key, merged as a set of plain values, or replaced. The
 * source are the `patchStrategy` and `patchMergeKey` tags of the Go types in k8s.io/api.
 */
export type ListStrategy = { readonly by: string } | 'set' | 'replace';

const POD_LISTS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  volumes: 'name',
  imagePullSecrets: 'name',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
  resourceClaims: 'name',
};
const CONTAINER_LISTS: Readonly<Record<string, string>> = {
  env: 'name',
  ports: 'containerPort',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
};

/** `kind parent.field` or `parent.field`, where the parent is the field around it, `''` for the root. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  'metadata.ownerReferences': 'uid',
  'status.conditions': 'type',
  ...under('spec', POD_LISTS),
  ...under('containers', CONTAINER_LISTS),
  ...under('initContainers', CONTAINER_LISTS),
  ...under('ephemeralContainers', CONTAINER_LISTS),
  'Service spec.ports': 'port',
  'ServiceAccount .secrets': 'name',
  'ServiceAccount .imagePullSecrets': 'name',
  'Node spec.taints': 'key',
  'Node status.addresses': 'type',
  'Pod status.podIPs': 'ip',
  'ValidatingWebhookConfiguration .webhooks': 'name',
  'MutatingWebhookConfiguration .webhooks': 'name',
};
/** Conditions that have list-map markers only, which strategic merge does not read. */
const REPLACED: ReadonlySet<string> = new Set(['CustomResourceDefinition status.conditions']);
const SETS: ReadonlySet<string> = new Set(['metadata.finalizers']);

export function listStrategy(kind: string, parent: string, field: string): ListStrategy {
  const place = `${parent}.${field}`;
  if (SETS.has(place)) return 'set';
  if (REPLACED.has(`${kind} ${place}`)) return 'replace';
  const key = own(`${kind} ${place}`) ?? own(place);
  return key === undefined ? 'replace' : { by: key };
}

function own(place: string): string | undefined {
  return Object.hasOwn(MERGE_KEYS, place) ? MERGE_KEYS[place] : undefined;
}

function under(parent: string, keys: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(keys).map(([field, key]) => [`${parent}.${field}`, key]));
}
