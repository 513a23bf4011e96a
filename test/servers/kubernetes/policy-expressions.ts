import { Environment } from '@marcbachmann/cel-js';

import { isRecord } from './objects.js';

type Program = (context: Record<string, unknown>) => unknown;

/** What the expressions of a policy may use; `variables` is not there yet while conditions are evaluated. */
export const CONDITION_NAMES = ['object', 'oldObject', 'request', 'params'] as const;
export const VALIDATION_NAMES = [...CONDITION_NAMES, 'variables'] as const;

/** Compiles and evaluates CEL as the API server does for admission policies, each expression once. */
export class PolicyExpressions {
  private readonly programs = new Map<string, Program>();
  private readonly environment: Environment;

  constructor(names: readonly string[]) {
    this.environment = new Environment({ homogeneousAggregateLiterals: false });
    for (const name of names) this.environment.registerVariable(name, 'dyn');
    // One of the extended string functions that the API server adds (cel-go, ext/strings.go).
    this.environment.registerFunction(
      'string.replace(string, string): string',
      (all: string, from: string, to: string) => all.replaceAll(from, () => to),
    );
  }

  /** @returns why an expression cannot be compiled, or undefined. */
  problemOf(expression: string): string | undefined {
    const { valid, error } = this.environment.check(expression);
    return valid ? undefined : (error?.summary ?? 'unknown error');
  }

  /** @throws Error for an expression that fails, with the text of the API server. */
  evaluate(expression: string, context: Record<string, unknown>): unknown {
    try {
      let program = this.programs.get(expression);
      if (program === undefined) {
        program = this.environment.parse(expression);
        this.programs.set(expression, program);
      }
      return program(context);
    } catch (error) {
      const why = error instanceof Error ? (error as { summary?: string }).summary : undefined;
      throw new Error(`expression '${expression}' resulted in error: ${why ?? String(error)}`, {
        cause: error,
      });
    }
  }
}

/** A JSON value as CEL sees it: whole numbers are integers. */
export function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, celValue(inner)]));
}
