import type { KubeObject } from './objects.js';

/** A printer column, as in a CRD. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
  readonly format?: string;
}

/** One resource of one version of an API group. */
export interface ResourceKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** The storage of its objects; two versions of one kind share it. */
  readonly place: string;
  /** Has `/status`, and then the main endpoint ignores the field. */
  readonly hasStatus: boolean;
  /** `metadata.generation` is kept. */
  readonly hasGeneration: boolean;
  /** PUT without a resourceVersion overwrites. */
  readonly unconditionalUpdate: boolean;
  /** PUT of an object that does not exist creates it. */
  readonly createOnUpdate: boolean;
  /** Fields beside name and namespace that a field selector may name. */
  readonly fields: readonly string[];
  /** From a CRD; absent for built-in kinds. */
  readonly custom?: {
    readonly crd: string;
    /** `openAPIV3Schema` of this version. */
    readonly schema: Record<string, unknown>;
    readonly columns: readonly PrinterColumn[];
  };
  /** A stored object as it is read: with the defaults of a CRD; absent for built-in kinds. */
  readonly decoded?: (stored: KubeObject) => KubeObject;
  /** Converts between this version and the stored one; absent when they are the same. */
  readonly conversion?: {
    readonly toStored: (object: KubeObject) => KubeObject;
    readonly fromStored: (object: KubeObject) => KubeObject;
  };
}

interface BuiltinOptions {
  readonly short?: readonly string[];
  readonly all?: boolean;
  readonly cluster?: boolean;
  readonly plural?: string;
  readonly status?: boolean;
  readonly generation?: boolean;
  readonly strictUpdate?: boolean;
  readonly createOnUpdate?: boolean;
  readonly fields?: readonly string[];
}

const EVENT_OBJECT_FIELDS = [
  'kind',
  'namespace',
  'name',
  'uid',
  'apiVersion',
  'resourceVersion',
  'fieldPath',
];
const EVENT_FIELDS = ['reason', 'reportingComponent', 'source', 'type'];
const WORKLOAD = { status: true, generation: true, all: true };

function builtin(apiVersion: string, kind: string, options: BuiltinOptions = {}): ResourceKind {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const lower = kind.toLowerCase();
  const plural = options.plural ?? (/(s|x|ss)$/.test(lower) ? `${lower}es` : lower.replace(/y$/, 'ie') + 's');
  return {
    group,
    version: apiVersion.slice(slash + 1),
    kind,
    listKind: `${kind}List`,
    plural,
    singular: lower,
    shortNames: options.short ?? [],
    categories: options.all === true ? ['all'] : [],
    namespaced: options.cluster !== true,
    place: `${group}/${plural}`,
    hasStatus: options.status === true,
    hasGeneration: options.generation === true,
    unconditionalUpdate: options.strictUpdate !== true,
    createOnUpdate: options.createOnUpdate === true,
    fields: options.fields ?? [],
  };
}

const RBAC = 'rbac.authorization.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';

/** The built-in kinds: stored objects without controllers. */
export const BUILTIN_KINDS: readonly ResourceKind[] = [
  builtin('v1', 'Namespace', { cluster: true, short: ['ns'], status: true, fields: ['status.phase'] }),
  builtin('v1', 'Event', {
    short: ['ev'],
    createOnUpdate: true,
    fields: [...EVENT_OBJECT_FIELDS.map((field) => `involvedObject.${field}`), ...EVENT_FIELDS],
  }),
  builtin('v1', 'ConfigMap', { short: ['cm'] }),
  builtin('v1', 'Secret', { fields: ['type'] }),
  builtin('v1', 'ServiceAccount', { short: ['sa'] }),
  builtin('v1', 'Service', {
    short: ['svc'],
    status: true,
    all: true,
    fields: ['spec.clusterIP', 'spec.type'],
  }),
  builtin('v1', 'Endpoints', { plural: 'endpoints', short: ['ep'], createOnUpdate: true }),
  builtin('v1', 'Pod', {
    short: ['po'],
    status: true,
    all: true,
    fields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.serviceAccountName',
      'status.phase',
      'status.podIP',
    ],
  }),
  builtin('v1', 'Node', { cluster: true, short: ['no'], status: true, fields: ['spec.unschedulable'] }),
  builtin('v1', 'PersistentVolumeClaim', { short: ['pvc'], status: true }),
  builtin('v1', 'ResourceQuota', { short: ['quota'], status: true }),
  builtin('v1', 'LimitRange', { short: ['limits'] }),
  builtin('apps/v1', 'Deployment', { ...WORKLOAD, short: ['deploy'] }),
  builtin('apps/v1', 'StatefulSet', { ...WORKLOAD, short: ['sts'] }),
  builtin('apps/v1', 'DaemonSet', { ...WORKLOAD, short: ['ds'] }),
  builtin('apps/v1', 'ReplicaSet', { ...WORKLOAD, short: ['rs'] }),
  builtin('batch/v1', 'Job', { ...WORKLOAD }),
  builtin('batch/v1', 'CronJob', { ...WORKLOAD, short: ['cj'] }),
  builtin('coordination.k8s.io/v1', 'Lease', { strictUpdate: true, createOnUpdate: true }),
  builtin('discovery.k8s.io/v1', 'EndpointSlice', { generation: true }),
  builtin('networking.k8s.io/v1', 'Ingress', { short: ['ing'], status: true, generation: true }),
  builtin('networking.k8s.io/v1', 'NetworkPolicy', { short: ['netpol'], generation: true }),
  builtin('policy/v1', 'PodDisruptionBudget', { short: ['pdb'], status: true, generation: true }),
  builtin('autoscaling/v2', 'HorizontalPodAutoscaler', { short: ['hpa'], status: true, all: true }),
  builtin('scheduling.k8s.io/v1', 'PriorityClass', { cluster: true, short: ['pc'], generation: true }),
  builtin(RBAC, 'Role', { createOnUpdate: true }),
  builtin(RBAC, 'RoleBinding', { createOnUpdate: true }),
  builtin(RBAC, 'ClusterRole', { cluster: true, createOnUpdate: true }),
  builtin(RBAC, 'ClusterRoleBinding', { cluster: true, createOnUpdate: true }),
  builtin(ADMISSION, 'ValidatingWebhookConfiguration', {
    cluster: true,
    generation: true,
    strictUpdate: true,
  }),
  builtin(ADMISSION, 'MutatingWebhookConfiguration', { cluster: true, generation: true, strictUpdate: true }),
  builtin(ADMISSION, 'ValidatingAdmissionPolicy', {
    cluster: true,
    status: true,
    generation: true,
    strictUpdate: true,
  }),
  builtin(ADMISSION, 'ValidatingAdmissionPolicyBinding', {
    cluster: true,
    generation: true,
    strictUpdate: true,
  }),
  builtin('apiextensions.k8s.io/v1', 'CustomResourceDefinition', {
    cluster: true,
    short: ['crd', 'crds'],
    status: true,
    generation: true,
    strictUpdate: true,
  }),
];

/** The stored kind behind a CRD. */
export const CRD_PLACE = 'apiextensions.k8s.io/customresourcedefinitions';
export const NAMESPACE_PLACE = '/namespaces';

/** `v1`, `apps/v1`. */
export function apiVersionOf(kind: Pick<ResourceKind, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** A resource that is answered immediately and never stored. */
export interface ReviewKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

function review(group: string, kind: string, namespaced = false): ReviewKind {
  return { group, version: 'v1', kind, plural: `${kind.toLowerCase()}s`, namespaced };
}

export const REVIEW_KINDS: readonly ReviewKind[] = [
  review('authentication.k8s.io', 'TokenReview'),
  review('authentication.k8s.io', 'SelfSubjectReview'),
  review('authorization.k8s.io', 'SubjectAccessReview'),
  review('authorization.k8s.io', 'SelfSubjectAccessReview'),
  review('authorization.k8s.io', 'LocalSubjectAccessReview', true),
];
