import { CRD_CLEANUP_FINALIZER, establishedStatus, validateCrd, withCrdDefaults } from './crd.js';
import { CRD_PLACE, NAMESPACE_PLACE, type ResourceKind } from './kinds.js';
import { isRecord, type KubeObject, recordAt, sameJson, textAt } from './objects.js';
import { required, wrong } from './field-errors.js';
import { type ApiError, badRequest, type StatusCause } from './status-errors.js';

const BASE64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;

/** The server's defaults of built-in kinds. */
export function withBuiltinDefaults(object: KubeObject, kind: ResourceKind): KubeObject {
  switch (kind.place) {
    case NAMESPACE_PLACE:
      return {
        ...object,
        metadata: {
          ...object.metadata,
          labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name },
        },
        spec: { finalizers: ['kubernetes'], ...recordAt(object, 'spec') },
        status: { phase: 'Active', ...recordAt(object, 'status') },
      };
    case '/secrets': {
      const { stringData, ...rest } = object;
      const data = { ...recordAt(object, 'data') };
      if (isRecord(stringData)) {
        for (const [key, value] of Object.entries(stringData)) {
          data[key] = Buffer.from(String(value)).toString('base64');
        }
      }
      return {
        ...rest,
        ...(Object.keys(data).length > 0 ? { data } : {}),
        type: object['type'] ?? 'Opaque',
      };
    }
    case CRD_PLACE: {
      const crd = withCrdDefaults(object);
      const finalizers = crd.metadata.finalizers ?? [];
      const keepsFinalizer =
        crd.metadata.deletionTimestamp !== undefined || finalizers.includes(CRD_CLEANUP_FINALIZER);
      return {
        ...crd,
        metadata: keepsFinalizer
          ? crd.metadata
          : { ...crd.metadata, finalizers: [...finalizers, CRD_CLEANUP_FINALIZER] },
        status: validateCrd(crd).length === 0 ? establishedStatus(crd) : crd['status'],
      };
    }
    case 'rbac.authorization.k8s.io/rolebindings':
    case 'rbac.authorization.k8s.io/clusterrolebindings': {
      const { subjects } = object;
      if (!Array.isArray(subjects)) return object;
      return {
        ...object,
        subjects: subjects.map((subject: unknown) =>
          isRecord(subject) && subject['kind'] !== 'ServiceAccount' && subject['apiGroup'] === undefined
            ? { ...subject, apiGroup: 'rbac.authorization.k8s.io' }
            : subject,
        ),
      };
    }
    default:
      return object;
  }
}

/** Validation errors of an object of a built-in kind; `old` for an update. */
export function validateBuiltin(object: KubeObject, kind: ResourceKind, old?: KubeObject): StatusCause[] {
  switch (kind.place) {
    case CRD_PLACE:
      return validateCrd(object);
    case '/secrets':
    case '/configmaps':
      return validateData(object, kind, old);
    case '/events':
      return validateEvent(object);
    case 'coordination.k8s.io/leases':
      return validateLease(object);
    case 'rbac.authorization.k8s.io/roles':
    case 'rbac.authorization.k8s.io/clusterroles':
      return validateRules(object);
    case 'rbac.authorization.k8s.io/rolebindings':
    case 'rbac.authorization.k8s.io/clusterrolebindings':
      return validateBinding(object, old);
    case 'apps/deployments':
      return validateWorkload(object, old);
    default:
      return [];
  }
}

function validateData(object: KubeObject, kind: ResourceKind, old: KubeObject | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  for (const [key, value] of Object.entries(recordAt(object, 'data'))) {
    if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
      causes.push(
        wrong(
          `data[${key}]`,
          key,
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        ),
      );
    }
    if (typeof value !== 'string') throw cannotBeHandled(kind.kind, `data[${key}] is not a string`);
    if (kind.plural === 'secrets' && !BASE64.test(value)) {
      throw cannotBeHandled(kind.kind, 'illegal base64 data at input byte 0');
    }
  }
  if (old?.['immutable'] === true && !sameJson(object['data'], old['data'])) {
    causes.push({
      reason: 'FieldValueForbidden',
      message: 'Forbidden: field is immutable when `immutable` is set',
      field: 'data',
    });
  }
  return causes;
}

function validateEvent(event: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const about = recordAt(event, 'involvedObject');
  const namespace = textAt(about, 'namespace');
  const home = namespace === '' ? 'default' : namespace;
  if (event.metadata.namespace !== home) {
    causes.push(wrong('involvedObject.namespace', namespace, 'does not match event.namespace'));
  }
  if (textAt(event, 'eventTime') === '') return causes;
  // An event with an eventTime must satisfy the rules of events.k8s.io.
  for (const [field, path] of [
    ['reportingController', 'reportingComponent'],
    ['reportingInstance', 'reportingInstance'],
    ['action', 'action'],
    ['reason', 'reason'],
  ] as const) {
    const value = textAt(event, path);
    if (value === '') causes.push(required(field));
    else if (path !== 'reportingComponent' && value.length > 128) {
      causes.push(wrong(field, '', 'can have at most 128 characters'));
    }
  }
  checkMicroTime('Event', event['eventTime']);
  if (!['Normal', 'Warning'].includes(textAt(event, 'type'))) {
    causes.push(wrong('type', event['type'], 'has invalid value'));
  }
  if (textAt(event, 'message').length > 1024) {
    causes.push(wrong('message', '', 'can have at most 1024 characters'));
  }
  return causes;
}

/** @throws ApiError 400 for a time without microseconds, which fails to decode. */
function checkMicroTime(kind: string, time: unknown): void {
  if (time === undefined || time === null || (typeof time === 'string' && MICRO_TIME.test(time))) return;
  const text = JSON.stringify(time);
  throw cannotBeHandled(kind, `parsing time ${text} as "2006-01-02T15:04:05.000000Z07:00": cannot parse it`);
}

function cannotBeHandled(kind: string, why: string): ApiError {
  return badRequest(`${kind} in version "v1" cannot be handled as a ${kind}: ${why}`);
}

function validateLease(lease: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const spec = recordAt(lease, 'spec');
  const duration = spec['leaseDurationSeconds'];
  if (duration !== undefined && !(Number.isInteger(duration) && (duration as number) > 0)) {
    causes.push(wrong('spec.leaseDurationSeconds', duration, 'must be greater than 0'));
  }
  const transitions = spec['leaseTransitions'];
  if (transitions !== undefined && !(Number.isInteger(transitions) && (transitions as number) >= 0)) {
    causes.push(wrong('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'));
  }
  for (const field of ['acquireTime', 'renewTime']) checkMicroTime('Lease', spec[field]);
  return causes;
}

function validateRules(role: KubeObject): StatusCause[] {
  if (role['aggregationRule'] !== undefined) {
    const message = 'Forbidden: this server does not aggregate roles';
    return [{ reason: 'FieldValueForbidden', message, field: 'aggregationRule' }];
  }
  const rules = role['rules'] ?? [];
  if (!Array.isArray(rules)) return [wrong('rules', rules, 'must be a list')];
  return rules.flatMap((rule: unknown, index) => {
    const field = `rules[${String(index)}]`;
    const list = (key: string): unknown[] => {
      const value = isRecord(rule) ? rule[key] : undefined;
      return Array.isArray(value) ? value : [];
    };
    if (list('verbs').length === 0)
      return [required(`${field}.verbs`, 'verbs must contain at least one value')];
    if (list('nonResourceURLs').length > 0) return [];
    const causes: StatusCause[] = [];
    if (list('apiGroups').length === 0) {
      causes.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
    }
    if (list('resources').length === 0) {
      causes.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
    }
    return causes;
  });
}

function validateBinding(binding: KubeObject, old: KubeObject | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  const ref = recordAt(binding, 'roleRef');
  if (textAt(ref, 'name') === '') causes.push(required('roleRef.name'));
  const kinds = binding.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (!kinds.includes(textAt(ref, 'kind'))) {
    const supported = kinds.map((one) => `"${one}"`).join(', ');
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: "${textAt(ref, 'kind')}": supported values: ${supported}`,
      field: 'roleRef.kind',
    });
  }
  if (old !== undefined && !sameJson(old['roleRef'], binding['roleRef'])) {
    causes.push(wrong('roleRef', ref, 'cannot change roleRef'));
  }
  return causes;
}

function validateWorkload(object: KubeObject, old: KubeObject | undefined): StatusCause[] {
  const causes: StatusCause[] = [];
  const selector = recordAt(object, 'spec')['selector'];
  if (!isRecord(selector)) return [required('spec.selector')];
  const template = recordAt(recordAt(object, 'spec'), 'template');
  const labels = recordAt(recordAt(template, 'metadata'), 'labels');
  for (const [key, value] of Object.entries(recordAt(selector, 'matchLabels'))) {
    if (labels[key] === value) continue;
    causes.push(
      wrong('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
    );
    break;
  }
  const { containers } = recordAt(template, 'spec');
  if (!Array.isArray(containers) || containers.length === 0) {
    causes.push(required('spec.template.spec.containers'));
  }
  if (old !== undefined && !sameJson(recordAt(old, 'spec')['selector'], selector)) {
    causes.push(wrong('spec.selector', selector, 'field is immutable'));
  }
  return causes;
}
