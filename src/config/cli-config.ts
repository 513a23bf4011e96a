import type { AwsConfig, ConfigRules, Environment, NetworkConfig } from './config.js';
import { FaultList } from './fault-list.js';
import { awsFromEnvironment, networkFromEnvironment } from './network-environment.js';
import { allowedPaths } from './shared-flags.js';
import { withoutStrayCharacters } from './stray-characters.js';
import { deepFreeze } from './values.js';

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

/** @returns the problems instead when a pattern is not valid; undefined patterns without the option. */
export function cliAllowedPaths(
  text: string | undefined,
  rules: Pick<ConfigRules, 'patternProblem'>,
): { readonly patterns: readonly string[] | undefined } | { readonly faults: readonly string[] } {
  const faults = new FaultList();
  const patterns = allowedPaths(text, rules, faults);
  return faults.faults.length > 0 ? { faults: faults.faults } : { patterns };
}
