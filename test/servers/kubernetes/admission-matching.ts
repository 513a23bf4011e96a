import type { AdmissionRequest } from './admission.js';
import { NAMESPACE_PLACE } from './kinds.js';
import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';
import type { Storage } from './storage.js';

/** The group of webhook configurations and admission policies; neither judges it. */
export const ADMISSION_GROUP = 'admissionregistration.k8s.io';

/** `RuleWithOperations`, with the defaults of the API. */
export interface MatchRule {
  readonly operations: readonly string[];
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  readonly scope: string;
}

interface Selectors {
  readonly namespaceSelector: Record<string, unknown>;
  readonly objectSelector: Record<string, unknown>;
}

/** A `RuleWithOperations` of a stored (valid) object. */
export function ruleOf(rule: Record<string, unknown>): MatchRule {
  return {
    operations: textsOf(rule['operations']),
    apiGroups: textsOf(rule['apiGroups']),
    apiVersions: textsOf(rule['apiVersions']),
    resources: textsOf(rule['resources']),
    scope: textAt(rule, 'scope') || '*',
  };
}

export function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

/** Whether both selectors match; that of objects may match the old or the new one. */
export function selectorsMatch(selectors: Selectors, request: AdmissionRequest, storage: Storage): boolean {
  return (
    namespaceMatches(selectors, request, storage) &&
    [request.object, request.oldObject].some(
      (object) => object !== undefined && selects(selectors.objectSelector, object.metadata.labels ?? {}),
    )
  );
}

/** Whether a rule has the operation and the resource of a request, in the version that the client used. */
export function ruleMatches(rule: MatchRule, { kind, subresource, operation }: AdmissionRequest): boolean {
  const has = (list: readonly string[], value: string): boolean => list.includes('*') || list.includes(value);
  if (!has(rule.operations, operation)) return false;
  if (!has(rule.apiGroups, kind.group) || !has(rule.apiVersions, kind.version)) return false;
  if (rule.scope !== '*' && (rule.scope === 'Namespaced') !== kind.namespaced) return false;
  return rule.resources.some((pattern) => {
    const [resource = '', sub = ''] = pattern.split('/');
    if (resource !== '*' && resource !== kind.plural) return false;
    return sub === '*' || sub === subresource;
  });
}

/** A cluster-scoped object matches no namespace selector, except a Namespace, which matches by its own labels. */
function namespaceMatches(
  { namespaceSelector }: Selectors,
  { kind, namespace, object, oldObject }: AdmissionRequest,
  storage: Storage,
): boolean {
  if (kind.place === NAMESPACE_PLACE) {
    return selects(namespaceSelector, (object ?? oldObject)?.metadata.labels ?? {});
  }
  if (!kind.namespaced) return true;
  const found: KubeObject | undefined = storage.get(NAMESPACE_PLACE, '', namespace);
  return selects(namespaceSelector, found?.metadata.labels ?? {});
}

/** A `metav1.LabelSelector`; an empty one selects everything. */
function selects(selector: Record<string, unknown>, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(recordAt(selector, 'matchLabels'));
  if (wanted.some(([key, value]) => !Object.hasOwn(labels, key) || labels[key] !== value)) return false;
  const expressions: unknown = selector['matchExpressions'];
  return (Array.isArray(expressions) ? expressions : []).every((expression: unknown) => {
    const key = textAt(expression, 'key');
    const present = Object.hasOwn(labels, key);
    const values = isRecord(expression) && Array.isArray(expression['values']) ? expression['values'] : [];
    switch (textAt(expression, 'operator')) {
      case 'In':
        return present && values.includes(labels[key]);
      case 'NotIn':
        return !present || !values.includes(labels[key]);
      case 'Exists':
        return present;
      case 'DoesNotExist':
        return !present;
      default:
        return false;
    }
  });
}
