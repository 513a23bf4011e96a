import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';

const GROUP = 'rbac.authorization.k8s.io';

/** The attributes of an authorization request. */
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

/** The RBAC authorizer: allows only what a bound role allows. */
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
  // The server defaults the group; a reference to any other group binds nothing.
  if ((reference.apiGroup ?? GROUP) !== GROUP) return [];
  if (reference.kind === 'ClusterRole') {
    const role = objects.clusterRoles.find(({ metadata }) => metadata.name === reference.name);
    return rulesIn(role);
  }
  if (reference.kind !== 'Role') return [];
  const role = objects.roles.find(
    ({ metadata }) => metadata.name === reference.name && metadata.namespace === binding.metadata.namespace,
  );
  return rulesIn(role);
}

function rulesIn(role: KubeObject | undefined): unknown[] {
  return role !== undefined && Array.isArray(role.rules) ? (role.rules as unknown[]) : [];
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
