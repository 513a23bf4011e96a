import { recordsOf, textsOf } from './admission-matching.js';
import { apiVersionOf, BUILTIN_KINDS, type ResourceKind } from './kinds.js';
import { oneOf, required, wrong } from './field-errors.js';
import { isRecord, type KubeObject, recordAt, textAt } from './objects.js';
import { compileProblems, type PolicyRules } from './policy-evaluation.js';
import type { StatusCause } from './status-errors.js';

/** What the real server has and this one does not: refused, so that no test relies on it. */
const NOT_HERE = 'is not supported by this server';
const ACTIONS = ['Audit', 'Deny', 'Warn'];
const BOTH =
  'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';

/** Validation errors of a ValidatingAdmissionPolicy. */
export function validatePolicy(policy: KubeObject): StatusCause[] {
  const spec = recordAt(policy, 'spec');
  const constraints = recordAt(spec, 'matchConstraints');
  const causes: StatusCause[] = [
    ...absent(spec, 'spec', ['auditAnnotations']),
    ...absent(constraints, 'spec.matchConstraints', ['excludeResourceRules']),
    ...oneOf(spec['failurePolicy'] ?? 'Fail', ['Fail', 'Ignore'], 'spec.failurePolicy'),
    ...validateRules(constraints['resourceRules']),
  ];
  const named = [...recordsOf(spec['validations']), ...recordsOf(spec['variables'])];
  if (recordsOf(spec['validations']).length === 0)
    causes.push(
      required('spec.validations', 'validations or auditAnnotations must contain at least one item'),
    );
  else if (named.some(({ expression }) => typeof expression !== 'string' || expression.trim() === ''))
    causes.push(required('spec.validations[].expression', 'expression is not specified'));
  else
    for (const { place, text, why } of compileProblems(rulesOf(policy)))
      causes.push(wrong(place, text, `compilation failed: ${why}`));
  if (isRecord(spec['paramKind']) && paramKindOf(policy) === undefined)
    causes.push(wrong('spec.paramKind', spec['paramKind'], NOT_HERE));
  return causes;
}

/** Validation errors of a ValidatingAdmissionPolicyBinding. */
export function validateBinding(binding: KubeObject): StatusCause[] {
  const spec = recordAt(binding, 'spec');
  const ref = recordAt(spec, 'paramRef');
  const actions = textsOf(spec['validationActions']);
  const causes: StatusCause[] = [
    ...absent(recordAt(spec, 'matchResources'), 'spec.matchResources', [
      'resourceRules',
      'excludeResourceRules',
    ]),
    ...absent(ref, 'spec.paramRef', ['selector']),
    ...actions.flatMap((action, index) => oneOf(action, ACTIONS, `spec.validationActions[${String(index)}]`)),
  ];
  if (textAt(spec, 'policyName') === '') causes.push(required('spec.policyName'));
  if (actions.length === 0)
    causes.push(required('spec.validationActions', 'at least one validation action is required'));
  if (actions.includes('Deny') && actions.includes('Warn'))
    causes.push(wrong('spec.validationActions', actions, BOTH));
  if (!isRecord(spec['paramRef'])) return causes;
  if (textAt(ref, 'name') === '')
    causes.push(required('spec.paramRef.name', 'one of name or selector must be specified'));
  const action = ref['parameterNotFoundAction'];
  if (action === undefined) causes.push(required('spec.paramRef.parameterNotFoundAction'));
  else causes.push(...oneOf(action, ['Allow', 'Deny'], 'spec.paramRef.parameterNotFoundAction'));
  return causes;
}

/** The expressions of a stored (valid) policy. */
export function rulesOf(policy: KubeObject): PolicyRules {
  return recordAt(policy, 'spec') as unknown as PolicyRules;
}

/** The kind of the parameters; undefined when the policy has none, or one that is not served. */
export function paramKindOf(policy: KubeObject): ResourceKind | undefined {
  const wanted = recordAt(recordAt(policy, 'spec'), 'paramKind');
  return BUILTIN_KINDS.find(
    (kind) => apiVersionOf(kind) === wanted['apiVersion'] && kind.kind === wanted['kind'],
  );
}

function validateRules(rules: unknown): StatusCause[] {
  const at = 'spec.matchConstraints.resourceRules';
  if (recordsOf(rules).length === 0) return [required(at)];
  return recordsOf(rules).flatMap((rule, index) => [
    ...absent(rule, `${at}[${String(index)}]`, ['resourceNames']),
    ...['operations', 'apiGroups', 'apiVersions', 'resources']
      .filter((field) => textsOf(rule[field]).length === 0)
      .map((field) => required(`${at}[${String(index)}].${field}`)),
  ]);
}

function absent(record: Record<string, unknown>, at: string, fields: readonly string[]): StatusCause[] {
  return fields
    .filter((field) => record[field] !== undefined)
    .map((field) => wrong(`${at}.${field}`, record[field], NOT_HERE));
}
