import { type Admission, type AdmissionRequest, reviewedRequest } from './admission.js';
import {
  ADMISSION_GROUP,
  recordsOf,
  ruleMatches,
  ruleOf,
  selectorsMatch,
  textsOf,
} from './admission-matching.js';
import { type KubeObject, recordAt, textAt } from './objects.js';
import { paramKindOf, rulesOf, validateBinding, validatePolicy } from './policy-configuration.js';
import { evaluatePolicy, type PolicyFailure } from './policy-evaluation.js';
import { ApiError, forbidden, invalid, type StatusCause } from './status-errors.js';
import type { Storage } from './storage.js';

const POLICIES = `${ADMISSION_GROUP}/validatingadmissionpolicies`;
const BINDINGS = `${ADMISSION_GROUP}/validatingadmissionpolicybindings`;

/** HTTP codes of the reasons that a validation may have (k8s.io/apiserver, plugin/policy/validating). */
const CODES: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Unauthorized: 401,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

interface Denial {
  readonly policy: string;
  readonly binding: string;
  readonly failure: PolicyFailure;
}

/**
 * Admission by the stored ValidatingAdmissionPolicies and their bindings, as in k8s.io/apiserver,
 * plugin/policy/validating/dispatcher.go; a policy without a binding does nothing. A policy is active at once here, on a
 * real server a moment after it is stored.
 */
export function policyAdmission(): (storage: Storage) => Admission {
  return (storage) => (request) => Promise.resolve().then(() => admit(request, storage));
}

function admit(request: AdmissionRequest, storage: Storage): readonly string[] {
  if (request.kind.group === ADMISSION_GROUP) {
    // Policies and bindings are exempt: otherwise a wrong one could never be removed.
    checkConfiguration(request);
    return [];
  }
  const warnings: string[] = [];
  const denials: Denial[] = [];
  const bindings = storage.list(BINDINGS);
  for (const policy of storage.list(POLICIES)) {
    if (!definitionMatches(policy, request, storage)) continue;
    const { name } = policy.metadata;
    for (const binding of bindings) {
      if (textAt(binding, 'spec.policyName') !== name) continue;
      if (!selectorsMatch(selectorsOf(recordAt(binding, 'spec'), 'matchResources'), request, storage))
        continue;
      const actions = textsOf(recordAt(binding, 'spec')['validationActions']);
      for (const failure of judge(policy, binding, request, storage)) {
        const at = { policy: name, binding: binding.metadata.name, failure };
        if (failure.isConfiguration || actions.includes('Deny')) denials.push(at);
        if (!failure.isConfiguration && actions.includes('Warn'))
          warnings.push(
            `Validation failed for ValidatingAdmissionPolicy '${name}' with binding '${at.binding}': ${failure.message}`,
          );
      }
    }
  }
  const [first] = denials;
  if (first !== undefined) throw refusal(first, request);
  return warnings;
}

function checkConfiguration({ kind, object, name }: AdmissionRequest): void {
  if (object === undefined) return;
  const causes =
    kind.place === POLICIES ? validatePolicy(object) : kind.place === BINDINGS ? validateBinding(object) : [];
  if (causes.length > 0) throw invalid(kind, name, causes);
}

function definitionMatches(policy: KubeObject, request: AdmissionRequest, storage: Storage): boolean {
  const spec = recordAt(policy, 'spec');
  const rules = recordsOf(recordAt(spec, 'matchConstraints')['resourceRules']).map(ruleOf);
  return (
    rules.some((rule) => ruleMatches(rule, request)) &&
    selectorsMatch(selectorsOf(spec, 'matchConstraints'), request, storage)
  );
}

function selectorsOf(
  spec: Record<string, unknown>,
  field: string,
): { namespaceSelector: Record<string, unknown>; objectSelector: Record<string, unknown> } {
  const resources = recordAt(spec, field);
  return {
    namespaceSelector: recordAt(resources, 'namespaceSelector'),
    objectSelector: recordAt(resources, 'objectSelector'),
  };
}

function judge(
  policy: KubeObject,
  binding: KubeObject,
  request: AdmissionRequest,
  storage: Storage,
): (PolicyFailure & { readonly isConfiguration?: boolean })[] {
  const rules = rulesOf(policy);
  const params = paramsOf(policy, binding, request, storage);
  if (params === undefined) {
    if (textAt(binding, 'spec.paramRef.parameterNotFoundAction') !== 'Deny') return [];
    const why = 'no params found for policy binding with `Deny` parameterNotFoundAction';
    return rules.failurePolicy === 'Ignore'
      ? []
      : [{ message: `failed to configure binding: ${why}`, reason: 'Invalid', isConfiguration: true }];
  }
  const { object, oldObject, ...seen } = reviewedRequest(request);
  return evaluatePolicy(rules, { object, oldObject, request: seen, params }) ?? [];
}

/** null: the policy or the binding has none; undefined: it is not there. */
function paramsOf(
  policy: KubeObject,
  binding: KubeObject,
  request: AdmissionRequest,
  storage: Storage,
): KubeObject | null | undefined {
  const kind = paramKindOf(policy);
  const ref = recordAt(recordAt(binding, 'spec'), 'paramRef');
  if (kind === undefined || textAt(ref, 'name') === '') return null;
  const namespace = kind.namespaced ? textAt(ref, 'namespace') || request.namespace : '';
  return storage.get(kind.place, namespace, textAt(ref, 'name'));
}

function refusal({ policy, binding, failure }: Denial, { kind, name }: AdmissionRequest): ApiError {
  const message = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}' denied request: ${failure.message}`;
  const { message: text, details } = forbidden(kind, name, message);
  return new ApiError(CODES[failure.reason] ?? 422, failure.reason, text, {
    ...details,
    causes: [{ message } as StatusCause],
  });
}
