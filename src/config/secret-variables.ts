import type { Environment, VariableSpec } from './config.js';
import { ENVIRONMENT_VARIABLES } from './environment-variables.js';
import { nonEmpty } from './fault-list.js';

/**
 * Names of the variables that hold secrets and are not needed once the configuration has been read.
 *
 * @param options.childrenNeedAws a program that is started later, such as a kubeconfig's exec plugin, takes the
 *   AWS credentials from the environment.
 */
export function secretVariables(
  env: Environment,
  variables: readonly VariableSpec[],
  options: { readonly childrenNeedAws: boolean },
): string[] {
  // The AWS SDK reads them itself in one case: a profile that says `credential_source = Environment`.
  const keepsAws = options.childrenNeedAws || nonEmpty(env.AWS_PROFILE) !== undefined;
  const shared = ENVIRONMENT_VARIABLES.filter(({ name, wiped }) => {
    if (wiped === 'aws') return !keepsAws;
    return wiped === 'always' || (wiped === 'with-password' && env[name]?.includes('@') === true);
  });
  return [...variables.filter(({ secret }) => secret === true), ...shared].map(({ name }) => name);
}
