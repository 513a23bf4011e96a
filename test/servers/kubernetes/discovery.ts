import type { KindRegistry } from './kind-registry.js';
import { apiVersionOf, type ResourceKind, REVIEW_KINDS, type ReviewKind } from './kinds.js';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const SUBRESOURCE_VERBS = ['get', 'patch', 'update'];

/** The media type that asks for aggregated discovery, as kubectl since 1.27 does first. */
const AGGREGATED = /application\/json;g=apidiscovery\.k8s\.io;v=v2;as=APIGroupDiscoveryList/;
export const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export function wantsAggregated(accept: string | undefined): boolean {
  return AGGREGATED.test((accept ?? '').replaceAll(' ', ''));
}

/** The discovery documents. */
export class Discovery {
  constructor(private readonly kinds: KindRegistry) {}

  /** `/api`. */
  coreVersions(address: string): Record<string, unknown> {
    const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: address }];
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
  }

  /** `/apis`. */
  groupList(): Record<string, unknown> {
    const names = [...this.kinds.groups().keys()].filter((group) => group !== '');
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map((name) => this.groupEntry(name)) };
  }

  /** `/apis/<group>`; undefined when it is not served. */
  group(name: string): Record<string, unknown> | undefined {
    if (name === '' || !this.kinds.groups().has(name)) return undefined;
    return { kind: 'APIGroup', apiVersion: 'v1', ...this.groupEntry(name) };
  }

  /** `/api/v1` and `/apis/<group>/<version>`; undefined when it is not served. */
  resourceList(group: string, version: string): Record<string, unknown> | undefined {
    if (this.kinds.groups().get(group)?.includes(version) !== true) return undefined;
    const resources = [
      ...this.kinds.inVersion(group, version).flatMap((kind) => legacyResources(kind)),
      ...reviewsOf(group, version).map((kind) => ({
        name: kind.plural,
        singularName: kind.kind.toLowerCase(),
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: ['create'],
      })),
    ];
    return {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: apiVersionOf({ group, version }),
      resources,
    };
  }

  /** `/api` (core) or `/apis` (all others) as one `APIGroupDiscoveryList`. */
  aggregated(core: boolean): Record<string, unknown> {
    const items = [...this.kinds.groups()]
      .filter(([group]) => (group === '') === core)
      .map(([group, versions]) => ({
        metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
        versions: versions.map((version) => ({
          version,
          resources: [
            ...this.kinds.inVersion(group, version).map((kind) => aggregatedResource(kind)),
            ...reviewsOf(group, version).map((kind) => ({
              resource: kind.plural,
              responseKind: { group, version, kind: kind.kind },
              scope: kind.namespaced ? 'Namespaced' : 'Cluster',
              singularResource: kind.kind.toLowerCase(),
              verbs: ['create'],
            })),
          ],
          freshness: 'Current',
        })),
      }));
    return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
  }

  private groupEntry(name: string): Record<string, unknown> {
    const versions = (this.kinds.groups().get(name) ?? []).map((version) => ({
      groupVersion: `${name}/${version}`,
      version,
    }));
    return { name, versions, preferredVersion: versions[0] };
  }
}

function reviewsOf(group: string, version: string): ReviewKind[] {
  return REVIEW_KINDS.filter((kind) => kind.group === group && kind.version === version);
}

/** The subresources of a kind, with their verbs and what they answer. */
function subresourcesOf(
  kind: ResourceKind,
): { name: string; verbs: string[]; answers?: { group: string; version: string; kind: string } }[] {
  if (kind.place === '/serviceaccounts') {
    return [
      {
        name: 'token',
        verbs: ['create'],
        answers: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
      },
    ];
  }
  const status = kind.hasStatus ? [{ name: 'status', verbs: SUBRESOURCE_VERBS }] : [];
  return kind.place === '/namespaces' ? [...status, { name: 'finalize', verbs: ['update'] }] : status;
}

function legacyResources(kind: ResourceKind): Record<string, unknown>[] {
  return [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: VERBS,
      ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    },
    ...subresourcesOf(kind).map(({ name, verbs, answers }) => ({
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced: kind.namespaced,
      kind: kind.kind,
      ...answers,
      verbs,
    })),
  ];
}

function aggregatedResource(kind: ResourceKind): Record<string, unknown> {
  const { group, version } = kind;
  const subresources = subresourcesOf(kind).map(({ name, verbs, answers }) => ({
    subresource: name,
    responseKind: answers ?? { group, version, kind: kind.kind },
    verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group, version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: VERBS,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
