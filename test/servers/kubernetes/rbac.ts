import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';

/** What somebody wants to do. */
export interface AccessRequest {
  readonly user: string;
  readonly groups: readonly string[];
  readonly verb: string;
  readonly apiGroup: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly nonResourcePath?: string;
}

export interface RbacObjects {
  readonly clusterRoles: readonly KubeObject[];
  readonly clusterRoleBindings: readonly KubeObject[];
  readonly roles: readonly KubeObject[];
  readonly roleBindings: readonly KubeObject[];
}

/** Decides as the RBAC authorizer does: nothing is allowed but what a bound role allows. */
export function authorize(request: AccessRequest, objects: RbacObjects): boolean {
  if (request.groups.includes('system:masters')) return true;
  const clusterWide = objects.clusterRoleBindings.filter((binding) => binds(binding, request));
  if (clusterWide.some((binding) => rulesOf(binding, objects).some((rule) => covers(rule, request))))
    return true;
  if ((request.namespace ?? '') === '' || request.nonResourcePath !== undefined) return false;
  return objects.roleBindings
    .filter((binding) => binding.metadata.namespace === request.namespace && binds(binding, request))
    .some((binding) => rulesOf(binding, objects).some((rule) => covers(rule, request)));
}

function binds(binding: KubeObject, { user, groups }: AccessRequest): boolean {
  const subjects = Array.isArray(binding.subjects) ? binding.subjects : [];
  return subjects.some((subject) => {
    const name = textAt(subject, 'name');
    switch (textAt(subject, 'kind')) {
      case 'User':
        return name === user;
      case 'Group':
        return groups.includes(name);
      case 'ServiceAccount': {
        const namespace = textAt(subject, 'namespace') || (binding.metadata.namespace ?? '');
        return user === `system:serviceaccount:${namespace}:${name}`;
      }
      default:
        return false;
    }
  });
}

function rulesOf(binding: KubeObject, objects: RbacObjects): unknown[] {
  const reference = recordAt(binding, 'roleRef');
  if (reference.kind === 'ClusterRole') {
    const role = objects.clusterRoles.find(({ metadata }) => metadata.name === reference.name);
    return role === undefined ? [] : rulesOfClusterRole(role, objects);
  }
  const role = objects.roles.find(
    ({ metadata }) => metadata.name === reference.name && metadata.namespace === binding.metadata.namespace,
  );
  return role !== undefined && Array.isArray(role.rules) ? role.rules : [];
}

/** An aggregated role has the rules of every role that its selectors match. */
export function rulesOfClusterRole(role: KubeObject, objects: Pick<RbacObjects, 'clusterRoles'>): unknown[] {
  const own: unknown[] = Array.isArray(role.rules) ? role.rules : [];
  const selectors = recordAt(role, 'aggregationRule').clusterRoleSelectors;
  if (!Array.isArray(selectors)) return own;
  const aggregated = objects.clusterRoles.filter((candidate) =>
    selectors.some((selector) => {
      const wanted = Object.entries(recordAt(selector, 'matchLabels'));
      return wanted.length > 0 && wanted.every(([key, value]) => candidate.metadata.labels?.[key] === value);
    }),
  );
  return aggregated.flatMap((candidate) =>
    Array.isArray(candidate.rules) ? (candidate.rules as unknown[]) : [],
  );
}

function covers(rule: unknown, request: AccessRequest): boolean {
  if (!isRecord(rule)) return false;
  const list = (key: string): string[] => (Array.isArray(rule[key]) ? (rule[key] as string[]) : []);
  const has = (key: string, value: string): boolean => list(key).includes('*') || list(key).includes(value);
  if (!has('verbs', request.verb)) return false;
  if (request.nonResourcePath !== undefined) {
    const path = request.nonResourcePath;
    return list('nonResourceURLs').some((url) =>
      url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path,
    );
  }
  if (!has('apiGroups', request.apiGroup)) return false;
  const subresource = request.subresource ?? '';
  const resource = subresource === '' ? request.resource : `${request.resource}/${subresource}`;
  const resources = list('resources');
  const matches =
    resources.includes('*') ||
    resources.includes(resource) ||
    (subresource !== '' && resources.includes(`*/${subresource}`));
  if (!matches) return false;
  const names = list('resourceNames');
  return names.length === 0 || names.includes(request.name ?? '');
}
