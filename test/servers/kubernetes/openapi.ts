import type { ResourceKind } from './kinds.js';
import { isRecord } from './objects.js';

const OPEN_OBJECT = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** `/openapi/v3`: the index of the documents of each group and version. */
export function openApiV3Index(kinds: readonly ResourceKind[]): Record<string, unknown> {
  const paths = new Set(kinds.map(groupPath));
  return {
    paths: Object.fromEntries([...paths].map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}` }])),
  };
}

/** `/openapi/v3/apis/<group>/<version>`, as far as `kubectl explain` and `apply` read it. */
export function openApiV3(kinds: readonly ResourceKind[], path: string): Record<string, unknown> | undefined {
  const served = kinds.filter((kind) => groupPath(kind) === path);
  if (served.length === 0) return undefined;
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.32.4' },
    paths: Object.fromEntries(served.flatMap(pathsOf)),
    components: {
      schemas: {
        ...Object.fromEntries(
          served.map((kind) => [schemaName(kind), schemaOf(kind, '#/components/schemas/')]),
        ),
        [META]: { ...OPEN_OBJECT, description: "Standard object's metadata." },
      },
    },
  };
}

/** `/openapi/v2`, one document for everything. */
export function openApiV2(kinds: readonly ResourceKind[]): Record<string, unknown> {
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: 'v1.32.4' },
    paths: {},
    definitions: {
      ...Object.fromEntries(
        kinds.map((kind) => [schemaName(kind), withoutV3Keywords(schemaOf(kind, '#/definitions/'))]),
      ),
      [META]: { ...OPEN_OBJECT, description: "Standard object's metadata." },
    },
  };
}

/** Keywords that OpenAPI v2 does not have; clients refuse documents that contain them. */
const V3_KEYWORDS: ReadonlySet<string> = new Set(['oneOf', 'anyOf', 'not', 'nullable', 'default']);

function withoutV3Keywords(schema: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(schema).filter(([keyword]) => !V3_KEYWORDS.has(keyword));
  const inner = kept.map(([keyword, value]): [string, unknown] => {
    if (keyword === 'properties' && isRecord(value)) {
      const fields = Object.entries(value).filter((entry): entry is [string, Record<string, unknown>] =>
        isRecord(entry[1]),
      );
      return [keyword, Object.fromEntries(fields.map(([name, node]) => [name, withoutV3Keywords(node)]))];
    }
    const isSchema = (keyword === 'items' || keyword === 'additionalProperties') && isRecord(value);
    return [keyword, isSchema ? withoutV3Keywords(value) : value];
  });
  return Object.fromEntries(inner);
}

function groupPath({ group, version }: ResourceKind): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

/** `kubectl apply` checks here whether a patch supports `fieldValidation`. */
function pathsOf(kind: ResourceKind): [string, unknown][] {
  const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
  const namespace = kind.namespaced ? '/namespaces/{namespace}' : '';
  const operation = (action: string): Record<string, unknown> => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
      name,
      in: 'query',
      schema: { type: 'string' },
    })),
    responses: { 200: { description: 'OK' } },
  });
  const collection = `/${groupPath(kind)}${namespace}/${kind.plural}`;
  return [
    [collection, { get: operation('list'), post: operation('post') }],
    [`${collection}/{name}`, { get: operation('get'), put: operation('put'), patch: operation('patch') }],
  ];
}

function schemaName({ group, version, kind }: ResourceKind): string {
  const reversed = group === '' ? 'io.k8s.api.core' : group.split('.').reverse().join('.');
  return `${reversed}.${version}.${kind}`;
}

function schemaOf(kind: ResourceKind, references: string): Record<string, unknown> {
  const gvk = [{ group: kind.group, version: kind.version, kind: kind.kind }];
  const metadata = { allOf: [{ $ref: `${references}${META}` }] };
  const base = kind.custom?.schema ?? {};
  const properties = isRecord(base.properties) ? base.properties : {};
  return {
    ...(kind.custom === undefined ? OPEN_OBJECT : base),
    properties: {
      ...properties,
      apiVersion: { type: 'string', description: 'Version of the API.' },
      kind: { type: 'string', description: 'Kind of the object.' },
      metadata: references === '#/definitions/' ? { $ref: `${references}${META}` } : metadata,
    },
    'x-kubernetes-group-version-kind': gvk,
  };
}
