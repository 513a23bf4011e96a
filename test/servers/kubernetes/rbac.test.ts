import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import type { KubeObject } from './objects.js';
import { type AccessRequest, authorize, type RbacObjects } from './rbac.js';

const NONE: RbacObjects = { clusterRoles: [], clusterRoleBindings: [], roles: [], roleBindings: [] };

function object(kind: string, name: string, fields: object, metadata: object = {}): KubeObject {
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind, metadata: { name, ...metadata }, ...fields };
}

function rule(verbs: string[], resources: string[], more: object = {}): object {
  return { apiGroups: ['g.dev'], resources, verbs, ...more };
}

const ALICE = { kind: 'User', name: 'alice', apiGroup: 'rbac.authorization.k8s.io' };

/** One ClusterRole, bound for the whole cluster. */
function clusterWide(rules: object[], subjects: object[] = [ALICE]): RbacObjects {
  const roleRef = { kind: 'ClusterRole', name: 'role' };
  return {
    ...NONE,
    clusterRoles: [object('ClusterRole', 'role', { rules })],
    clusterRoleBindings: [object('ClusterRoleBinding', 'binding', { roleRef, subjects })],
  };
}

/** One Role or ClusterRole, bound in namespace `here`. */
function inNamespace(
  kind: 'Role' | 'ClusterRole',
  rules: object[],
  subjects: object[] = [ALICE],
): RbacObjects {
  const metadata = kind === 'Role' ? { namespace: 'here' } : {};
  const role = object(kind, 'role', { rules }, metadata);
  return {
    ...NONE,
    ...(kind === 'Role' ? { roles: [role] } : { clusterRoles: [role] }),
    roleBindings: [
      object('RoleBinding', 'binding', { roleRef: { kind, name: 'role' }, subjects }, { namespace: 'here' }),
    ],
  };
}

function wish(verb: string, resource: string, more: Partial<AccessRequest> = {}): AccessRequest {
  return { user: 'alice', groups: ['system:authenticated'], verb, apiGroup: 'g.dev', resource, ...more };
}

describe('authorize', () => {
  it('allows nothing without a role', () => {
    expect(authorize(wish('get', 'things'), NONE)).toBe(false);
    expect(authorize(wish('get', 'things', { groups: ['system:masters'] }), NONE)).toBe(true);
  });

  it.each<[string, object, AccessRequest, boolean]>([
    ['a named verb', rule(['get'], ['things']), wish('get', 'things'), true],
    ['another verb', rule(['get'], ['things']), wish('list', 'things'), false],
    ['every verb', rule(['*'], ['things']), wish('deletecollection', 'things'), true],
    ['another resource', rule(['get'], ['things']), wish('get', 'others'), false],
    ['another group', rule(['get'], ['things']), wish('get', 'things', { apiGroup: '' }), false],
    [
      'every group',
      rule(['get'], ['things'], { apiGroups: ['*'] }),
      wish('get', 'things', { apiGroup: 'x' }),
      true,
    ],
    [
      'a subresource by the resource alone',
      rule(['patch'], ['things']),
      wish('patch', 'things', { subresource: 'status' }),
      false,
    ],
    [
      'a subresource by its name',
      rule(['patch'], ['things/status']),
      wish('patch', 'things', { subresource: 'status' }),
      true,
    ],
    ['the resource by its subresource', rule(['patch'], ['things/status']), wish('patch', 'things'), false],
    [
      'a subresource of every resource',
      rule(['patch'], ['*/status']),
      wish('patch', 'things', { subresource: 'status' }),
      true,
    ],
    [
      'another subresource of every resource',
      rule(['patch'], ['*/status']),
      wish('patch', 'things', { subresource: 'scale' }),
      false,
    ],
    [
      'the resource by a subresource of every resource',
      rule(['patch'], ['*/status']),
      wish('patch', 'things'),
      false,
    ],
    [
      'every resource, with its subresources',
      rule(['patch'], ['*']),
      wish('patch', 'things', { subresource: 'status' }),
      true,
    ],
    [
      'what is no pattern',
      rule(['get'], ['things/*']),
      wish('get', 'things', { subresource: 'status' }),
      false,
    ],
    [
      'a named object',
      rule(['get'], ['things'], { resourceNames: ['a'] }),
      wish('get', 'things', { name: 'a' }),
      true,
    ],
    [
      'an object of another name',
      rule(['get'], ['things'], { resourceNames: ['a'] }),
      wish('get', 'things', { name: 'b' }),
      false,
    ],
    [
      'a list, by a rule with names',
      rule(['list'], ['things'], { resourceNames: ['a'] }),
      wish('list', 'things'),
      false,
    ],
    [
      'an object of any name',
      rule(['get'], ['things'], { resourceNames: [] }),
      wish('get', 'things', { name: 'b' }),
      true,
    ],
    ['a member of the prototype as a rule', rule(['constructor'], ['things']), wish('get', 'things'), false],
  ])('decides %s', (_what, one, request, allowed) => {
    expect(authorize(request, clusterWide([one]))).toBe(allowed);
    expect(authorize({ ...request, namespace: 'here' }, clusterWide([one]))).toBe(allowed);
    expect(authorize({ ...request, namespace: 'here' }, inNamespace('Role', [one]))).toBe(allowed);
    expect(authorize({ ...request, namespace: 'here' }, inNamespace('ClusterRole', [one]))).toBe(allowed);
    // A RoleBinding applies to its namespace only.
    expect(authorize({ ...request, namespace: 'there' }, inNamespace('ClusterRole', [one]))).toBe(false);
    expect(authorize(request, inNamespace('ClusterRole', [one]))).toBe(false);
  });

  it('does not combine the verbs of one rule with the resources of another', () => {
    const rules = [rule(['get'], ['things']), rule(['delete'], ['others'])];
    expect(authorize(wish('delete', 'things'), clusterWide(rules))).toBe(false);
    expect(authorize(wish('delete', 'others'), clusterWide(rules))).toBe(true);
  });

  it.each<[string, string, boolean]>([
    ['/metrics', '/metrics', true],
    ['/metrics', '/metrics/x', false],
    ['/healthz/*', '/healthz/etcd', true],
    ['/healthz/*', '/healthz', false],
    ['*', '/anything', true],
    ['/openapi/v*', '/openapi/v3/apis', true],
  ])('with the nonResourceURL %s, allows the path %s: %s', (url, path, allowed) => {
    const rules = [{ nonResourceURLs: [url], verbs: ['get'] }];
    const request = wish('get', '', { apiGroup: '', nonResourcePath: path });
    expect(authorize(request, clusterWide(rules))).toBe(allowed);
    expect(authorize({ ...request, verb: 'post' }, clusterWide(rules))).toBe(false);
    // Non-resource paths exist at the cluster scope only.
    expect(authorize({ ...request, namespace: 'here' }, inNamespace('ClusterRole', rules))).toBe(false);
  });

  it('does not apply a rule for all resources to paths', () => {
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
    expect(authorize(wish('get', '', { nonResourcePath: '/metrics' }), clusterWide(rules))).toBe(false);
  });

  it.each<[string, object, Partial<AccessRequest>, boolean]>([
    ['a user', { kind: 'User', name: 'bob' }, { user: 'bob' }, true],
    ['a user of another name', { kind: 'User', name: 'bob' }, { user: 'Bob' }, false],
    ['a group', { kind: 'Group', name: 'ops' }, { groups: ['x', 'ops'] }, true],
    ['a group of that name for a user', { kind: 'Group', name: 'bob' }, { user: 'bob' }, false],
    [
      'a service account',
      { kind: 'ServiceAccount', name: 'sa', namespace: 'vault' },
      { user: 'system:serviceaccount:vault:sa' },
      true,
    ],
    [
      'a service account of another namespace',
      { kind: 'ServiceAccount', name: 'sa', namespace: 'vault' },
      { user: 'system:serviceaccount:x:sa' },
      false,
    ],
    [
      'all service accounts of a namespace',
      { kind: 'Group', name: 'system:serviceaccounts:vault' },
      { groups: ['system:serviceaccounts:vault'] },
      true,
    ],
    ['a kind that is none', { kind: 'Robot', name: 'bob' }, { user: 'bob' }, false],
  ])('binds %s', (_what, subject, who, allowed) => {
    const request = wish('get', 'things', { user: 'nobody', ...who });
    expect(authorize(request, clusterWide([rule(['get'], ['things'])], [subject]))).toBe(allowed);
  });

  it('uses the namespace of the binding for a service account without one', () => {
    const objects = inNamespace(
      'Role',
      [rule(['get'], ['things'])],
      [{ kind: 'ServiceAccount', name: 'sa' }],
    );
    const request = wish('get', 'things', { user: 'system:serviceaccount:here:sa', namespace: 'here' });
    expect(authorize(request, objects)).toBe(true);
  });

  it.each<[string, object]>([
    ['a role that is not there', { kind: 'ClusterRole', name: 'ghost' }],
    ['a role of another group', { kind: 'ClusterRole', name: 'role', apiGroup: 'x.dev' }],
    ['a namespaced role', { kind: 'Role', name: 'role' }],
    ['no kind', { name: 'role' }],
  ])('allows nothing through a ClusterRoleBinding to %s', (_what, roleRef) => {
    const objects = clusterWide([rule(['get'], ['things'])]);
    const clusterRoleBindings = [object('ClusterRoleBinding', 'b', { roleRef, subjects: [ALICE] })];
    expect(authorize(wish('get', 'things'), objects)).toBe(true);
    expect(authorize(wish('get', 'things'), { ...objects, clusterRoleBindings })).toBe(false);
  });

  it('finds a Role only in the namespace of the binding', () => {
    const { roleBindings } = inNamespace('Role', []);
    const roles = [object('Role', 'role', { rules: [rule(['get'], ['things'])] }, { namespace: 'there' })];
    const request = wish('get', 'things', { namespace: 'here' });
    expect(authorize(request, { ...NONE, roles, roleBindings })).toBe(false);
  });

  it('never allows more when a rule is removed', () => {
    const rules = fc.array(
      fc.record({
        apiGroups: fc.subarray(['g.dev', '*', '']),
        resources: fc.subarray(['things', 'things/status', '*/status', '*']),
        verbs: fc.subarray(['get', 'patch', '*']),
      }),
      { maxLength: 4 },
    );
    const requests = fc.record({
      verb: fc.constantFrom('get', 'patch', 'list'),
      subresource: fc.constantFrom('', 'status'),
    });
    fc.assert(
      fc.property(rules, requests, fc.nat(3), (all, { verb, subresource }, gone) => {
        const request = wish(verb, 'things', { subresource });
        const fewer = all.filter((_, index) => index !== gone);
        if (authorize(request, clusterWide(fewer))) expect(authorize(request, clusterWide(all))).toBe(true);
      }),
    );
  });
});

describe('manifests/rbac', () => {
  const load = (file: string): KubeObject =>
    parse(readFileSync(`manifests/rbac/${file}.yaml`, 'utf8')) as KubeObject;
  const objects: RbacObjects = {
    ...NONE,
    clusterRoles: [load('cluster-role')],
    clusterRoleBindings: [load('cluster-role-binding')],
  };
  const account = load('service-account');
  const user = `system:serviceaccount:${account.metadata.namespace ?? ''}:${account.metadata.name}`;

  function may(verb: string, apiGroup: string, path: string): boolean {
    const [resource = '', subresource = ''] = path.split('/');
    const groups = ['system:serviceaccounts', 'system:serviceaccounts:vault', 'system:authenticated'];
    return authorize({ user, groups, verb, apiGroup, resource, subresource, namespace: 'app' }, objects);
  }

  const OURS = 'k8s.patoarvizu.dev';
  const ALLOWED: readonly [string, string, readonly string[]][] = [
    [OURS, 'kmsvaultsecrets', ['get', 'list', 'watch', 'patch']],
    [OURS, 'partialkmsvaultsecrets', ['get', 'list', 'watch', 'patch']],
    [OURS, 'kmsvaultsecrets/status', ['patch']],
    [OURS, 'partialkmsvaultsecrets/status', ['patch']],
    ['', 'events', ['create', 'patch']],
  ];
  const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

  it.each(ALLOWED)('allows the operator on "%s" %s only %j', (group, resource, verbs) => {
    expect(VERBS.filter((verb) => may(verb, group, resource))).toEqual(
      VERBS.filter((verb) => verbs.includes(verb)),
    );
  });

  it.each([
    ['', 'secrets'],
    ['', 'configmaps'],
    ['', 'namespaces'],
    ['', 'pods'],
    ['', 'serviceaccounts/token'],
    ['events.k8s.io', 'events'],
    ['apiextensions.k8s.io', 'customresourcedefinitions'],
    ['rbac.authorization.k8s.io', 'clusterroles'],
    ['apps', 'deployments'],
    [OURS, 'others'],
  ])('allows the operator nothing on "%s" %s', (group, resource) => {
    expect(VERBS.filter((verb) => may(verb, group, resource))).toEqual([]);
  });

  it('gives the objects their documented names and label', () => {
    for (const one of [account, ...objects.clusterRoles, ...objects.clusterRoleBindings]) {
      expect(one.metadata).toMatchObject({
        name: 'kms-vault-operator',
        labels: { app: 'kms-vault-operator' },
      });
    }
    expect(account.metadata.namespace).toBe('vault');
  });
});
