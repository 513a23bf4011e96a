import type { Environment, VariableSpec } from './config.js';
import { ENVIRONMENT_VARIABLES } from './environment-variables.js';
import { nonEmpty } from './fault-list.js';

/** Names of the variables that hold secrets and are not needed once the configuration has been read. */
export function secretVariables(env: Environment, variables: readonly VariableSpec[]): string[] {
  return [...variables.filter(({ secret }) => secret === true).map(({ name }) => name), ...shared(env)];
}

/** Those of them that other programs read, too, such as the exec plugin of a kubeconfig; only what is set. */
export function secretsOfOtherPrograms(env: Environment): { name: string; value: string }[] {
  return shared(env).flatMap((name) => {
    const value = env[name];
    return value === undefined || name.startsWith('VAULT_') ? [] : [{ name, value }];
  });
}

function shared(env: Environment): string[] {
  // The AWS SDK reads them itself in one case: a profile that says `credential_source = Environment`.
  const keepsAws = nonEmpty(env.AWS_PROFILE) !== undefined;
  return ENVIRONMENT_VARIABLES.filter(({ name, wiped }) => {
    if (wiped === 'aws') return !keepsAws;
    return wiped === 'always' || (wiped === 'with-password' && env[name]?.includes('@') === true);
  }).map(({ name }) => name);
}
