import type { ChartObject } from './chart-object.js';
import { at, nameOf } from './tree.js';

const LOGIN = /^eq \$f\.login "(.+)"$/;

/**
 * The variables that the chart sets for each login, as the component `auth-<login>` has them. A secret variable and its twin
 * with `_FILE` exclude each other, so the names are without that ending.
 */
export function loginVariables(objects: readonly ChartObject[]): Readonly<Record<string, string[]>> {
  const operator = objects.find(({ kind, name }) => kind === 'Deployment' && name === 'kms-vault-operator');
  const env = operator && at(operator.tree, 'spec', 'template', 'spec', 'containers', 0, 'env')?.value;
  if (env?.type !== 'list') throw new Error('the operator has no variables');
  const found: Record<string, string[]> = {};
  for (const { value, when } of env.members) {
    const name = String(nameOf(value)).replace(/_FILE$/, '');
    for (const condition of when) {
      const login = LOGIN.exec(condition)?.[1];
      if (login !== undefined) (found[login] ??= []).push(name);
    }
  }
  return found;
}
