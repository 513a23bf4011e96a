import { Certificate, ClusterIssuer, Issuer } from '@kubernetes-models/cert-manager/cert-manager.io/v1';
import {
  PrometheusRule,
  ServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from 'kubernetes-models/admissionregistration.k8s.io/v1';
import { CustomResourceDefinition } from 'kubernetes-models/apiextensions.k8s.io/v1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
} from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Namespace, Pod, Service, ServiceAccount } from 'kubernetes-models/v1';

import { pruneUnknown, type Schema, validateSchema } from '../../test/servers/kubernetes/schema.js';
import { validateColumns, validateStructural } from '../../test/servers/kubernetes/structural-schema.js';
import type { KubernetesObject } from './kubernetes-object.js';
import { ReadRecorder } from './read-recorder.js';

/** A class of `kubernetes-models`; `validate` throws an error with `errors`, those of a generated validator. */
interface Model {
  readonly apiVersion: string;
  readonly kind: string;
  readonly prototype: { validate: () => void };
}

interface ValidationFault {
  readonly instancePath: string;
  readonly message?: string;
  readonly params?: { readonly allowedValues?: readonly unknown[] };
}

const MODELS: readonly Model[] = [
  Certificate,
  ClusterIssuer,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  Issuer,
  Namespace,
  NetworkPolicy,
  Pod,
  PodDisruptionBudget,
  PrometheusRule,
  Role,
  RoleBinding,
  Service,
  ServiceAccount,
  ServiceMonitor,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
];

const SCHEMA = 'spec\\.versions\\[\\d+\\]\\.schema\\.openAPIV3Schema';
/** Any JSON by the schema of a CRD; schemas among them are checked on their own. */
const OPEN_IN_CRD = new RegExp(
  `^${SCHEMA}(\\..+)?(?<!\\.properties)\\.(items|additionalProperties|default|enum|example)$`,
);
/** Fields of a CRD that the generator of the models has lost. */
const LOST_IN_CRD = new RegExp(
  `^(${SCHEMA}(\\..+)?|spec\\.versions\\[\\d+\\]\\.additionalPrinterColumns\\[\\d+\\])\\.` +
    '(description|x-kubernetes-(list-type|list-map-keys|map-type|int-or-string|preserve-unknown-fields|' +
    'embedded-resource|validations))$',
);

/** Fields that are newer than the models: keep_firing_for is of Prometheus operator 0.64. */
const NEWER = new Map([
  ['monitoring.coreos.com/v1 PrometheusRule', /^spec\.groups\[\d+\]\.rules\[\d+\]\.keep_firing_for$/],
]);

interface CrdVersion {
  readonly name: string;
  readonly schema: { readonly openAPIV3Schema: Schema };
  readonly additionalPrinterColumns?: readonly unknown[];
}

/**
 * The schemas of Kubernetes' kinds, of cert-manager and the Prometheus operator, and of the CRDs given.
 * Stricter than an API server: an unknown field is a fault, and so is a kind without a schema.
 */
export class ObjectSchemas {
  private readonly models = new Map(MODELS.map((model) => [`${model.apiVersion} ${model.kind}`, model]));
  private readonly custom = new Map<string, Schema>();

  constructor(crds: readonly KubernetesObject[]) {
    for (const crd of crds) {
      const { group, names } = crd['spec'] as { group: string; names: { kind: string } };
      for (const version of versionsOf(crd)) {
        this.custom.set(`${group}/${version.name} ${names.kind}`, version.schema.openAPIV3Schema);
      }
    }
  }

  /** What is wrong with the object, one line each: `spec.replcias: unknown field`. */
  faults(object: KubernetesObject): string[] {
    const id = `${object.apiVersion} ${object.kind}`;
    const custom = this.custom.get(id);
    if (custom !== undefined) return customFaults(object, custom);
    const model = this.models.get(id);
    if (model === undefined) return [`no schema for ${id}`];
    if (object.kind !== 'CustomResourceDefinition') {
      return modelFaults(model, object, (path) => NEWER.get(id)?.test(path) === true);
    }
    return [...modelFaults(model, object, isOpenInCrd), ...crdFaults(model, object)];
  }
}

function isOpenInCrd(path: string): boolean {
  return OPEN_IN_CRD.test(path) || LOST_IN_CRD.test(path);
}

function modelFaults(model: Model, object: unknown, opaque: (path: string) => boolean): string[] {
  const recorder = new ReadRecorder();
  const faults: string[] = [];
  try {
    model.prototype.validate.call(recorder.watch(object));
  } catch (error) {
    const { errors } = error as { errors?: readonly ValidationFault[] };
    if (errors === undefined) throw error;
    faults.push(...errors.map(described));
  }
  const unknown = recorder.unread(object, opaque).map((path) => `${path}: unknown field`);
  return [...new Set([...faults, ...unknown])];
}

function described({ instancePath, message, params }: ValidationFault): string {
  const path = instancePath
    .slice(1)
    .replace(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replace(/\//g, '.')
    .replace(/~1/g, '/')
    .replace(/~0/g, '~');
  const allowed =
    params?.allowedValues === undefined ? '' : ` (${params.allowedValues.map(String).join(', ')})`;
  return `${path}${path === '' ? '' : ': '}${message ?? 'is refused'}${allowed}`;
}

function customFaults(object: KubernetesObject, schema: Schema): string[] {
  // Type and metadata are those of every object; a ConfigMap has nothing else that is required.
  const { metadata } = object;
  const faults = modelFaults(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata }, () => false);
  faults.push(...pruneUnknown(schema, object).pruned.map((path) => `${path}: unknown field`));
  faults.push(...validateSchema(schema, object).map(({ field, message }) => `${field}: ${message}`));
  return faults;
}

/** Schemas in schemas, with every keyword, and the rules for CRDs that no schema can say. */
function crdFaults(model: Model, crd: KubernetesObject): string[] {
  return versionsOf(crd).flatMap(({ name, schema, additionalPrinterColumns: columns = [] }) => {
    const at = `version ${name}`;
    const problems = [...validateStructural(schema.openAPIV3Schema, at), ...validateColumns(columns, at)];
    const faults = problems.map(({ field, message }) => `${field}: ${message}`);
    for (const [path, inner] of openSchemas(schema.openAPIV3Schema, at)) {
      const version = { ...versionsOf(crd)[0], schema: { openAPIV3Schema: inner } };
      const alone = { ...crd, spec: { ...(crd['spec'] as object), versions: [version] } };
      const inside = modelFaults(model, alone, isOpenInCrd);
      faults.push(
        ...inside.map((fault) => fault.replace(/^spec\.versions\[0\]\.schema\.openAPIV3Schema/, path)),
      );
    }
    return faults;
  });
}

/** The schemas below `items` and `additionalProperties`, at any depth. */
function openSchemas(schema: Schema, path: string): (readonly [string, Schema])[] {
  const found: (readonly [string, Schema])[] = [];
  for (const [key, inner] of Object.entries((schema['properties'] ?? {}) as Record<string, Schema>)) {
    found.push(...openSchemas(inner, `${path}.${key}`));
  }
  for (const keyword of ['items', 'additionalProperties']) {
    const inner = schema[keyword];
    if (typeof inner !== 'object' || inner === null) continue;
    const at = `${path}.${keyword}`;
    found.push([at, inner as Schema], ...openSchemas(inner as Schema, at));
  }
  return found;
}

function versionsOf(crd: KubernetesObject): readonly CrdVersion[] {
  return (crd['spec'] as { versions: readonly CrdVersion[] }).versions;
}
