import type { Environment, VariableSpec } from './config.js';
import type { Parsed } from './values.js';

/** Collects all problems of a command line and an environment, so that they are reported together. */
export class FaultList {
  readonly faults: string[] = [];
  /** What is said in the log once, and does not end the start. */
  readonly warnings: string[] = [];

  add(fault: string): void {
    this.faults.push(fault);
  }

  /** The parsed value, or `fallback` after recording the problem under `name`. */
  take<T>(name: string, parsed: Parsed<T>, fallback: T): T {
    if ('value' in parsed) return parsed.value;
    this.add(`${name} ${parsed.problem}`);
    return fallback;
  }

  /** Like {@link take}, for a variable that may be absent. An empty variable counts as absent, as in Go. */
  variable<T>(env: Environment, name: string, parse: (text: string) => Parsed<T>, fallback: T): T {
    const text = env[name];
    return text === undefined || text === '' ? fallback : this.take(name, parse(text), fallback);
  }

  /**
   * The values of an auth method's variables, with defaults; every missing one is reported.
   *
   * @param files those that are named instead of values, by variable.
   */
  variables(
    env: Environment,
    specs: readonly VariableSpec[],
    method: string,
    files: Readonly<Record<string, string>> = {},
  ): Record<string, string> {
    const values: Record<string, string> = {};
    for (const spec of specs) {
      if (files[spec.name] !== undefined) {
        this.pair(env, spec, files);
        continue;
      }
      const given = env[spec.name];
      const value = (spec.mayBeEmpty === true ? given : nonEmpty(given)) ?? spec.default;
      if (value === undefined) {
        if (spec.required === true) {
          this.add(
            `${spec.name} is missing: --vault-authentication-method=${method} needs it (${spec.description})` +
              (spec.secret === true ? `, or ${spec.name}_FILE` : ''),
          );
        }
        continue;
      }
      this.pair(env, spec, files);
      const problem = value === '' ? undefined : spec.check?.(value);
      const isSaid = this.faults.some((fault) => fault.startsWith(`${spec.name} `));
      if (problem !== undefined && !isSaid) this.add(`${spec.name} ${problem}`);
      values[spec.name] = value;
    }
    return values;
  }

  /** Reports that the other half of a pair is missing. */
  private pair(
    env: Environment,
    { name, together }: VariableSpec,
    files: Readonly<Record<string, string>>,
  ): void {
    if (together === undefined || files[together] !== undefined || nonEmpty(env[together]) !== undefined)
      return;
    this.add(`${together} is missing: it belongs to ${name}; set both or neither`);
  }
}

/** Go programs do not distinguish an empty variable from an absent one. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}

/** Only the keys that have a value, as `exactOptionalPropertyTypes` requires. */
export function present<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
