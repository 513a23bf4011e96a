import type { KubeObject, UserInfo } from './objects.js';
import { authorize } from './rbac.js';
import type { RequestInfo } from './request-info.js';
import { forbidden, forbiddenPath } from './status-errors.js';
import type { Storage } from './storage.js';

const RBAC_GROUP = 'rbac.authorization.k8s.io';

/** The attributes of an authorization request. */
export interface Attributes {
  readonly verb: string;
  readonly apiGroup: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly nonResourcePath?: string;
}

/** Authorizes every request by the stored RBAC objects. */
export class Authorizer {
  constructor(private readonly storage: Storage) {}

  allows(user: UserInfo, wanted: Attributes): boolean {
    const list = (plural: string): KubeObject[] => this.storage.list(`${RBAC_GROUP}/${plural}`);
    return authorize(
      { ...wanted, user: user.user, groups: user.groups },
      {
        clusterRoles: list('clusterroles'),
        clusterRoleBindings: list('clusterrolebindings'),
        roles: list('roles'),
        roleBindings: list('rolebindings'),
      },
    );
  }

  /** @throws ApiError 403 in the real server's words. */
  require(user: UserInfo, request: RequestInfo): void {
    const wanted = attributesOf(request);
    if (this.allows(user, wanted)) return;
    if (!request.isResource) throw forbiddenPath(user.user, request.verb, request.path);
    throw forbidden({ group: request.group, plural: request.resource }, request.name, refusal(user, wanted));
  }
}

/** `User "x" cannot list resource "secrets" in API group "" in the namespace "y"`. */
export function refusal(user: UserInfo, wanted: Attributes): string {
  const sub = wanted.subresource ?? '';
  const resource = sub === '' ? wanted.resource : `${wanted.resource}/${sub}`;
  const where =
    (wanted.namespace ?? '') === '' ? 'at the cluster scope' : `in the namespace "${wanted.namespace ?? ''}"`;
  return `User "${user.user}" cannot ${wanted.verb} resource "${resource}" in API group "${wanted.apiGroup}" ${where}`;
}

function attributesOf(request: RequestInfo): Attributes {
  if (!request.isResource) {
    return { verb: request.verb, apiGroup: '', resource: '', nonResourcePath: request.path };
  }
  return {
    verb: request.verb,
    apiGroup: request.group,
    resource: request.resource,
    ...(request.subresource === '' ? {} : { subresource: request.subresource }),
    ...(request.name === '' ? {} : { name: request.name }),
    ...(request.namespace === '' ? {} : { namespace: request.namespace }),
  };
}
