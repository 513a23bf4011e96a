import { randomUUID } from 'node:crypto';

import { withBuiltinDefaults } from './builtin-rules.js';
import { BUILTIN_KINDS } from './kinds.js';
import { type KubeObject, timestamp } from './objects.js';
import type { Storage } from './storage.js';

const RBAC = 'rbac.authorization.k8s.io/v1';
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** The objects of a new cluster: namespaces, default roles and their bindings. */
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
  role(storage, 'system:auth-delegator', [
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  ]);
  bind(storage, 'cluster-admin', 'system:masters');
  bind(storage, 'system:discovery', 'system:authenticated');
  bind(storage, 'system:basic-user', 'system:authenticated');
  bind(storage, 'system:public-info-viewer', 'system:authenticated', 'system:unauthenticated');
}

function add(storage: Storage, object: KubeObject): void {
  const kind = BUILTIN_KINDS.find((one) => one.kind === object.kind);
  if (kind === undefined) throw new Error(`no built-in kind ${object.kind}`);
  const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: timestamp() };
  storage.put(kind.place, withBuiltinDefaults({ ...object, metadata }, kind), undefined);
}

const DEFAULTS_LABEL = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

function role(storage: Storage, name: string, rules: readonly Rule[]): void {
  const metadata = { name, labels: DEFAULTS_LABEL };
  add(storage, { apiVersion: RBAC, kind: 'ClusterRole', metadata, rules });
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
