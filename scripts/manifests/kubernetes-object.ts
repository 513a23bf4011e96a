import type { IPodSpec } from 'kubernetes-models/v1';

/** An object of a manifest. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** What a Deployment, or another kind that makes pods, says of them. */
export interface Workload {
  /** Such as `Deployment kms-vault-operator`. */
  readonly name: string;
  readonly namespace: string | undefined;
  readonly selector: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly pod: IPodSpec;
}

/** `Deployment vault/kms-vault-operator`, for messages. */
export function nameOf({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}

/** Is this the kind, in any version of the group? The core group is `''`. */
export function isKind({ apiVersion, kind }: KubernetesObject, group: string, wanted: string): boolean {
  return kind === wanted && (apiVersion.includes('/') ? apiVersion.split('/')[0] : '') === group;
}

interface PodTemplate {
  readonly metadata?: Pick<KubernetesObject['metadata'], 'labels' | 'annotations'>;
  readonly spec: IPodSpec;
}

/** The pod that an object makes or is; undefined for other kinds. */
export function workloadOf(object: KubernetesObject): Workload | undefined {
  const named = { name: nameOf(object), namespace: object.metadata.namespace };
  const spec = object['spec'] as {
    template?: PodTemplate;
    jobTemplate?: { spec: { template: PodTemplate } };
    selector?: { matchLabels?: Record<string, string> };
  };
  if (object.kind === 'Pod') {
    const { labels = {}, annotations = {} } = object.metadata;
    return { ...named, selector: labels, labels, annotations, pod: spec as IPodSpec };
  }
  const kinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob'];
  const template = kinds.includes(object.kind)
    ? (spec.template ?? spec.jobTemplate?.spec.template)
    : undefined;
  if (template === undefined) return undefined;
  return {
    ...named,
    selector: spec.selector?.matchLabels ?? {},
    labels: template.metadata?.labels ?? {},
    annotations: template.metadata?.annotations ?? {},
    pod: template.spec,
  };
}

/** Do the labels carry everything that a `matchLabels` asks for? An empty selector matches all. */
export function matches(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
