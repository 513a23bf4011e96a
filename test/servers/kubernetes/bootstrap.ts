import { randomUUID } from 'node:crypto';

import { withBuiltinDefaults } from './builtin-rules.js';
import { BUILTIN_KINDS } from './kinds.js';
import { type KubeObject, timestamp } from './objects.js';
import type { Storage } from './storage.js';

const RBAC = 'rbac.authorization.k8s.io/v1';
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** What a new cluster has before anybody asks: namespaces, and the default roles and their bindings. */
export function bootstrap(storage: Storage): void {
  for (const name of NAMESPACES) add(storage, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  role(storage, 'cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]);
  role(storage, 'system:discovery', [
    {
      nonResourceURLs: [
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/healthz',
        '/livez',
        '/openapi',
        '/openapi/*',
        '/readyz',
        '/version',
        '/version/',
      ],
      verbs: ['get'],
    },
  ]);
  role(storage, 'system:public-info-viewer', [
    { nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'], verbs: ['get'] },
  ]);
  role(storage, 'system:basic-user', [
    { apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'], verbs: ['create'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
  ]);
  role(storage, 'system:service-account-issuer-discovery', [
    { nonResourceURLs: ['/.well-known/openid-configuration', '/openid/v1/jwks'], verbs: ['get'] },
  ]);
  role(storage, 'system:auth-delegator', [
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  ]);
  aggregate(storage, 'view', [
    {
      apiGroups: ['', 'apps', 'batch', 'networking.k8s.io', 'policy', 'autoscaling'],
      resources: ['configmaps', 'deployments', 'events', 'namespaces', 'pods', 'serviceaccounts', 'services'],
      verbs: READ,
    },
  ]);
  aggregate(storage, 'edit', [
    {
      apiGroups: ['', 'apps', 'batch', 'coordination.k8s.io', 'networking.k8s.io', 'policy', 'autoscaling'],
      resources: ['configmaps', 'deployments', 'leases', 'pods', 'secrets', 'serviceaccounts', 'services'],
      verbs: [...READ, ...WRITE],
    },
  ]);
  aggregate(storage, 'admin', [
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['roles', 'rolebindings'],
      verbs: [...READ, ...WRITE],
    },
  ]);
  bind(storage, 'cluster-admin', 'system:masters');
  bind(storage, 'system:discovery', 'system:authenticated');
  bind(storage, 'system:basic-user', 'system:authenticated');
  bind(storage, 'system:public-info-viewer', 'system:authenticated', 'system:unauthenticated');
  bind(storage, 'system:service-account-issuer-discovery', 'system:serviceaccounts');
}

function add(storage: Storage, object: KubeObject): void {
  const kind = BUILTIN_KINDS.find((one) => one.kind === object.kind);
  if (kind === undefined) throw new Error(`no built-in kind ${object.kind}`);
  const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: timestamp() };
  storage.put(kind.place, withBuiltinDefaults({ ...object, metadata }, kind), undefined);
}

const DEFAULTS_LABEL = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

function role(storage: Storage, name: string, rules: readonly Rule[], labels = {}): void {
  const metadata = { name, labels: { ...DEFAULTS_LABEL, ...labels } };
  add(storage, { apiVersion: RBAC, kind: 'ClusterRole', metadata, rules });
}

/** A role that is made of all roles with its label, beginning with its own `system:aggregate-to-` role. */
function aggregate(storage: Storage, name: string, rules: readonly Rule[]): void {
  const includes = { view: ['view'], edit: ['view', 'edit'], admin: ['view', 'edit', 'admin'] }[name] ?? [
    name,
  ];
  const label = (one: string): Record<string, string> => ({
    [`rbac.authorization.k8s.io/aggregate-to-${one}`]: 'true',
  });
  role(storage, `system:aggregate-to-${name}`, rules, label(name));
  add(storage, {
    apiVersion: RBAC,
    kind: 'ClusterRole',
    metadata: { name, labels: DEFAULTS_LABEL },
    aggregationRule: { clusterRoleSelectors: includes.map((one) => ({ matchLabels: label(one) })) },
    rules: [],
  });
}

function bind(storage: Storage, name: string, ...groups: readonly string[]): void {
  const apiGroup = 'rbac.authorization.k8s.io';
  add(storage, {
    apiVersion: RBAC,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: DEFAULTS_LABEL },
    roleRef: { apiGroup, kind: 'ClusterRole', name },
    subjects: groups.map((group) => ({ kind: 'Group', apiGroup, name: group })),
  });
}
