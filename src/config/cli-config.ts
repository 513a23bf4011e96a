import type {
  AwsConfig,
  ConfigRules,
  Environment,
  NetworkConfig,
  RequiredContexts,
  VariableSpec,
  VaultConfig,
} from './config.js';
import { requiredContexts } from './context-flags.js';
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

/** The flags of the programs that the author's tool takes as options, too. */
export interface PolicyOptions {
  readonly allowedVaultPaths?: string | undefined;
  readonly requiredContext?: string | undefined;
  readonly requiredPartialContext?: string | undefined;
  readonly requiredContextMode?: string | undefined;
  readonly requiredContextExempt?: string | undefined;
}

export interface CliPolicy {
  /** Undefined without the option. */
  readonly patterns: readonly string[] | undefined;
  /** Undefined when no context is required. */
  readonly contexts: RequiredContexts | undefined;
  readonly warnings: readonly string[];
}

/** @returns the problems instead, one text each, when an option is not valid. */
export function cliPolicy(
  options: PolicyOptions,
  rules: Pick<ConfigRules, 'patternProblem'>,
): CliPolicy | { readonly faults: readonly string[] } {
  const faults = new FaultList();
  const patterns = allowedPaths(options.allowedVaultPaths, rules, faults);
  const contexts = requiredContexts(
    {
      'required-context': options.requiredContext,
      'required-partial-context': options.requiredPartialContext,
      'required-context-mode': options.requiredContextMode,
      'required-context-exempt': options.requiredContextExempt,
    },
    faults,
  );
  return faults.faults.length > 0
    ? { faults: faults.faults }
    : { patterns, contexts, warnings: faults.warnings };
}
