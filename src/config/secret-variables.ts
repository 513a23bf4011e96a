import type { Environment, VariableSpec } from './config.js';
import { ENVIRONMENT_VARIABLES } from './environment-variables.js';
import { nonEmpty } from './fault-list.js';

/**
 * The variables that hold secrets and are not needed once the configuration has been read.
 *
 * @param options.keepProxies a program that is started later inherits the proxies from the environment.
 */
export function secretVariables(
  env: Environment,
  variables: readonly VariableSpec[],
  options: { readonly keepProxies: boolean } = { keepProxies: false },
): string[] {
  return [
    ...variables.filter(({ secret }) => secret === true).map(({ name }) => name),
    ...shared(env, options),
  ];
}

/** Those that other programs read as well, such as the exec plugin of a kubeconfig; only variables that are set. */
export function secretsOfOtherPrograms(env: Environment): { name: string; value: string }[] {
  return shared(env).flatMap((name) => {
    const value = env[name];
    return value === undefined || name.startsWith('VAULT_') ? [] : [{ name, value }];
  });
}

function shared(env: Environment, { keepProxies = false } = {}): string[] {
  // The AWS SDK reads them itself for a profile with `credential_source = Environment`.
  const keepsAws = nonEmpty(env.AWS_PROFILE) !== undefined;
  const isForChildren = (name: string): boolean => keepProxies && !name.startsWith('VAULT_');
  return ENVIRONMENT_VARIABLES.filter(({ name, wiped }) => {
    if (wiped === 'aws') return !keepsAws;
    if (wiped === 'with-password') return env[name]?.includes('@') === true && !isForChildren(name);
    return wiped === 'always';
  }).map(({ name }) => name);
}
