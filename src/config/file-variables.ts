import type { Environment, VariableSpec } from './config.js';
import type { FaultList } from './fault-list.js';
import { nonEmpty } from './fault-list.js';

/** The variable that names a file with the value of another variable. */
export function fileVariableOf({ name }: Pick<VariableSpec, 'name'>): string {
  return `${name}_FILE`;
}

/** The variables of an auth method whose value may be in a file: all that are secret, and what is rotated with one. */
export function variablesWithFiles<Spec extends VariableSpec>(variables: readonly Spec[]): readonly Spec[] {
  return variables.filter(({ secret, rotates }) => secret === true || rotates === true);
}

/** The variables that name these files. */
export function fileVariables(variables: readonly VariableSpec[]): readonly VariableSpec[] {
  return variablesWithFiles(variables).map((variable) => ({
    name: fileVariableOf(variable),
    description: `file with the value of \`${variable.name}\`, read at each login; set only one of the two`,
  }));
}

/**
 * The files that are named instead of values, by the variable whose value they hold.
 *
 * @param faults gets every variable that is set together with its file; set and empty is set where that is a value.
 */
export function filesInUse(
  env: Environment,
  variables: readonly VariableSpec[],
  faults: FaultList,
): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const variable of variablesWithFiles(variables)) {
    const { name, mayBeEmpty } = variable;
    const file = nonEmpty(env[fileVariableOf(variable)]);
    if (file === undefined) continue;
    files[name] = file;
    const value = mayBeEmpty === true ? env[name] : nonEmpty(env[name]);
    if (value !== undefined)
      faults.add(`${name} and ${fileVariableOf(variable)} are both set: set only one of them`);
  }
  return files;
}
