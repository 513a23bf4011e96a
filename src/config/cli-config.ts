import type {
  AwsConfig,
  ConfigRules,
  Environment,
  NetworkConfig,
  VariableSpec,
  VaultConfig,
} from './config.js';
import { FaultList } from './fault-list.js';
import { fileVariables, filesInUse } from './file-variables.js';
import { awsFromEnvironment, networkFromEnvironment } from './network-environment.js';
import { allowedPaths } from './shared-flags.js';
import { withoutStrayCharacters } from './stray-characters.js';
import { deepFreeze } from './values.js';
import { vaultFromEnvironment } from './vault-environment.js';

/** What the author's tool takes from the environment for KMS; the variables are those of the operator. */
export interface CliConfig {
  readonly aws: AwsConfig;
  readonly network: NetworkConfig;
  readonly warnings: readonly string[];
}

/** @returns the problems instead, one text each, when a variable is not valid. */
export function cliConfigFrom(
  environment: Environment,
): { readonly config: CliConfig } | { readonly faults: readonly string[] } {
  const faults = new FaultList();
  const env = withoutStrayCharacters(environment, [], faults);
  const config: CliConfig = {
    aws: awsFromEnvironment(env, faults),
    network: networkFromEnvironment(env, faults),
    warnings: faults.warnings,
  };
  return faults.faults.length > 0 ? { faults: faults.faults } : { config: deepFreeze(config) };
}

/** What the author's tool takes from the environment to read Vault. */
export interface CliVaultConfig {
  readonly vault: VaultConfig;
  /** `VAULT_TOKEN` */
  readonly token: string | undefined;
  /** `VAULT_TOKEN_FILE` */
  readonly tokenFile: string | undefined;
}

/**
 * @param variables those of the auth method `token`.
 * @returns the problems instead, one text each, when a variable is not valid.
 */
export function cliVaultFrom(
  environment: Environment,
  variables: readonly VariableSpec[],
):
  | { readonly config: CliVaultConfig; readonly warnings: readonly string[] }
  | { readonly faults: readonly string[] } {
  const faults = new FaultList();
  const env = withoutStrayCharacters(environment, [...variables, ...fileVariables(variables)], faults);
  const vault = vaultFromEnvironment(env, faults);
  const { VAULT_TOKEN: token } = env;
  // For Vault's command line an empty token is none.
  const needed = variables.map((variable) => ({ ...variable, mayBeEmpty: false }));
  const { VAULT_TOKEN: tokenFile } = filesInUse(env, needed, faults);
  if (faults.faults.length > 0) return { faults: faults.faults };
  return { config: deepFreeze({ vault, token, tokenFile }), warnings: faults.warnings };
}

/** @returns the problems instead when a pattern is not valid; undefined patterns without the option. */
export function cliAllowedPaths(
  text: string | undefined,
  rules: Pick<ConfigRules, 'patternProblem'>,
): { readonly patterns: readonly string[] | undefined } | { readonly faults: readonly string[] } {
  const faults = new FaultList();
  const patterns = allowedPaths(text, rules, faults);
  return faults.faults.length > 0 ? { faults: faults.faults } : { patterns };
}
