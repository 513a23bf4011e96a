import { celValue, CONDITION_NAMES, PolicyExpressions, VALIDATION_NAMES } from './policy-expressions.js';

/** The part of a ValidatingAdmissionPolicy's spec that is evaluated. */
export interface PolicyRules {
  readonly failurePolicy?: string;
  /** Without it, expressions have no `params`. */
  readonly paramKind?: unknown;
  readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
  readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  readonly validations: readonly {
    readonly expression: string;
    readonly message?: string;
    readonly messageExpression?: string;
    readonly reason?: string;
  }[];
}

/** What the expressions see. `oldObject` is null for CREATE, `object` for DELETE, `params` without a parameter. */
export interface PolicyInput {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
  readonly params: unknown;
}

/** One validation that does not hold. */
export interface PolicyFailure {
  readonly message: string;
  readonly reason: string;
}

/** `MaxEvaluatedMessageExpressionSizeBytes` of k8s.io/apiserver/pkg/apis/cel. */
const MAX_MESSAGE_BYTES = 5 * 1024;

const conditions = new PolicyExpressions(CONDITION_NAMES);
const validations = new PolicyExpressions(VALIDATION_NAMES);
const withoutParams = (names: readonly string[]): PolicyExpressions =>
  new PolicyExpressions(names.filter((name) => name !== 'params'));
const withoutParameters = {
  conditions: withoutParams(CONDITION_NAMES),
  validations: withoutParams(VALIDATION_NAMES),
};

/** An expression that cannot be compiled. */
interface CompileProblem {
  readonly place: string;
  readonly text: string;
  readonly why: string;
}

export function compileProblems(rules: PolicyRules): CompileProblem[] {
  const known = rules.paramKind === undefined ? withoutParameters : { conditions, validations };
  const each = (
    field: string,
    key: 'expression' | 'messageExpression',
    list: readonly { readonly expression: string; readonly messageExpression?: string }[] = [],
    expressions = known.validations,
  ): CompileProblem[] =>
    list.flatMap((entry, index) => {
      const text = entry[key];
      if (text === undefined) return [];
      const why = expressions.problemOf(text);
      return why === undefined ? [] : [{ place: `spec.${field}[${String(index)}].${key}`, text, why }];
    });
  return [
    ...each('matchConditions', 'expression', rules.matchConditions, known.conditions),
    ...each('variables', 'expression', rules.variables),
    ...each('validations', 'expression', rules.validations),
    ...each('validations', 'messageExpression', rules.validations),
  ];
}

/**
 * The validations that fail, by the rules of the API server (k8s.io/apiserver, plugin/policy/validating/validator.go);
 * undefined when a condition leaves the request out.
 */
export function evaluatePolicy(rules: PolicyRules, input: PolicyInput): PolicyFailure[] | undefined {
  const context = celValue(input) as Record<string, unknown>;
  const onError = (message: string): PolicyFailure[] =>
    rules.failurePolicy === 'Ignore' ? [] : [{ message, reason: 'Invalid' }];
  const met = (rules.matchConditions ?? []).map(({ expression }) =>
    outcomeOf(() => conditions.evaluate(expression, context)),
  );
  if (met.some(({ value }) => value === false)) return undefined;
  const broken = met.find(({ error }) => error !== undefined);
  if (broken?.error !== undefined) return onError(broken.error);
  context.variables = lazyVariables(rules.variables ?? [], context);
  return rules.validations.flatMap((validation) => {
    const { value, error } = outcomeOf(() => validations.evaluate(validation.expression, context));
    if (error !== undefined) return onError(error);
    if (value === true) return [];
    return [{ message: messageOf(validation, context), reason: validation.reason ?? 'Invalid' }];
  });
}

/** A variable is evaluated when an expression first uses it, and fails only then. */
function lazyVariables(
  variables: readonly { readonly name: string; readonly expression: string }[],
  context: Record<string, unknown>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name, expression } of variables) {
    let outcome: Outcome | undefined;
    Object.defineProperty(values, name, {
      enumerable: true,
      get: () => {
        outcome ??= outcomeOf(() => validations.evaluate(expression, context));
        if (outcome.error !== undefined) throw new Error(outcome.error);
        return outcome.value;
      },
    });
  }
  return values;
}

function messageOf(
  { expression, message = '', messageExpression }: PolicyRules['validations'][number],
  context: Record<string, unknown>,
): string {
  if (messageExpression !== undefined) {
    const { value } = outcomeOf(() => validations.evaluate(messageExpression, context));
    const text = typeof value === 'string' ? value.trim() : '';
    if (text !== '' && Buffer.byteLength(text) <= MAX_MESSAGE_BYTES && !text.includes('\n')) return text;
  }
  return message.trim() || `failed expression: ${expression.trim()}`;
}

interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}

function outcomeOf(evaluate: () => unknown): Outcome {
  try {
    return { value: evaluate() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
