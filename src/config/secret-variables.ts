import type { Environment, VariableSpec } from './config.js';
import { nonEmpty } from './fault-list.js';

/** Read by the AWS SDK itself in one case: a profile that says `credential_source = Environment`. */
const AWS_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
const ALWAYS_READ = ['AWS_ACCESS_KEY', 'AWS_SECRET_KEY', 'VAULT_HEADERS'];
const PROXIES = [
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'https_proxy',
  'http_proxy',
  'VAULT_HTTP_PROXY',
  'VAULT_PROXY_ADDR',
];

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
  const keepsAws = options.childrenNeedAws || nonEmpty(env.AWS_PROFILE) !== undefined;
  return [
    ...variables.filter(({ secret }) => secret === true).map(({ name }) => name),
    ...ALWAYS_READ,
    ...(keepsAws ? [] : AWS_VARIABLES),
    ...PROXIES.filter((name) => env[name]?.includes('@') === true),
  ];
}
