import 'reflect-metadata';

import { container as root, type DependencyContainer } from 'tsyringe';

import { AuthorError } from '../cli/author-error.js';
import { ValidateFiles } from '../cli/checking/validate-files.js';
import type { Console } from '../cli/console.js';
import { ConsoleLogger } from '../cli/console-logger.js';
import { EditValues } from '../cli/editing/edit-values.js';
import { Editor } from '../cli/editing/editor.js';
import { ItemReader } from '../cli/editing/item-reader.js';
import { SetValue } from '../cli/editing/set-value.js';
import { UnsetValue } from '../cli/editing/unset-value.js';
import { ValueEncryption } from '../cli/editing/value-encryption.js';
import { ValueInput } from '../cli/editing/value-input.js';
import { ViewValues } from '../cli/editing/view-values.js';
import { KeyRules } from '../cli/keys/key-rules.js';
import { ReEncryptFiles } from '../cli/rotation/re-encrypt-files.js';
import { cliConfigFrom } from '../config/cli-config.js';
import type { BuildInfo } from '../config/config.js';
import { correctLibraryVariables } from '../config/stray-characters.js';
import { AwsKeyApi } from '../kms/key-api.js';
import { AwsKmsApi } from '../kms/kms-client.js';
import { KmsConnection } from '../kms/kms-connection.js';
import { KmsDecryptor } from '../kms/kms-decryptor.js';
import { PlaintextInspector } from '../kms/plaintext-inspector.js';
import { NoMetrics } from '../observability/no-metrics.js';
import { AgentFactory } from '../runtime/agents.js';
import { systemClock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { registerServices, registerValues, type Service } from './registration.js';

/** KMS grants thousands per second and account; more at a time make a folder of files no faster. */
const MAX_CONCURRENT_KMS_REQUESTS = 10;

const SERVICES: readonly Service[] = [
  [TOKENS.agents, AgentFactory],
  [TOKENS.kmsConnection, KmsConnection],
  [TOKENS.kmsApi, AwsKmsApi],
  [TOKENS.keyApi, AwsKeyApi],
  [TOKENS.decryptor, KmsDecryptor],
  [TOKENS.inspector, PlaintextInspector],
  [TOKENS.keyRules, KeyRules],
  [TOKENS.valueInput, ValueInput],
  [TOKENS.valueEncryption, ValueEncryption],
  [TOKENS.itemReader, ItemReader],
  [TOKENS.editor, Editor],
  [TOKENS.setValue, SetValue],
  [TOKENS.unsetValue, UnsetValue],
  [TOKENS.viewValues, ViewValues],
  [TOKENS.editValues, EditValues],
  [TOKENS.validateFiles, ValidateFiles],
  [TOKENS.reEncryptFiles, ReEncryptFiles],
];

/** The inputs of a container of the author's tool. */
export interface CliFoundations {
  /** Corrected in place, because the AWS SDK reads it, too. */
  readonly environment: Record<string, string | undefined>;
  readonly console: Console;
  readonly build: BuildInfo;
}

/**
 * A container with the services of the author's tool; one per run. Nothing is created before it is resolved.
 *
 * @throws AuthorError when a variable is not valid; one line for each.
 */
export function createCliContainer({ environment, console, build }: CliFoundations): DependencyContainer {
  const parsed = cliConfigFrom(environment);
  correctLibraryVariables(environment);
  if ('faults' in parsed) throw new AuthorError(parsed.faults.join('\n'));
  const { config } = parsed;
  for (const warning of config.warnings) console.warn(warning);
  const container = root.createChildContainer();
  registerServices(container, SERVICES);
  registerValues(container, [
    [TOKENS.build, build],
    [TOKENS.clock, systemClock],
    [TOKENS.console, console],
    [TOKENS.environment, environment],
    [TOKENS.stdin, process.stdin],
    [TOKENS.network, config.network],
    [TOKENS.aws, config.aws],
    [TOKENS.logger, new ConsoleLogger(console)],
    [TOKENS.metrics, new NoMetrics()],
    [TOKENS.maxConcurrentKmsRequests, MAX_CONCURRENT_KMS_REQUESTS],
  ]);
  return container;
}
