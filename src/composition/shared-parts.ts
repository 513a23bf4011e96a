import type { DependencyContainer } from 'tsyringe';

import { AllowedPaths } from '../api/allowed-paths.js';
import { RequiredContext } from '../api/required-context.js';
import type { BuildInfo, OperatorConfig, WebhookConfig } from '../config/config.js';
import { AwsKmsApi } from '../kms/kms-client.js';
import { KmsConnection } from '../kms/kms-connection.js';
import { KmsDecryptor } from '../kms/kms-decryptor.js';
import { createRegistry } from '../observability/metrics-routes.js';
import { createLogger } from '../observability/pino-logger.js';
import { AgentFactory } from '../runtime/agents.js';
import { systemClock } from '../runtime/clock.js';
import { Lifecycle } from '../runtime/lifecycle.js';
import { TOKENS } from '../tokens.js';
import { registerFactory, registerServices, registerValues, type Service } from './registration.js';

const SERVICES: readonly Service[] = [
  [TOKENS.lifecycle, Lifecycle],
  [TOKENS.agents, AgentFactory],
  [TOKENS.kmsConnection, KmsConnection],
  [TOKENS.kmsApi, AwsKmsApi],
  [TOKENS.decryptor, KmsDecryptor],
];

/** Registers the services that both programs share. */
export function registerSharedParts(
  container: DependencyContainer,
  config: OperatorConfig | WebhookConfig,
  build: BuildInfo,
): void {
  registerServices(container, SERVICES);
  registerValues(container, [
    [TOKENS.build, build],
    [TOKENS.clock, systemClock],
    [TOKENS.network, config.network],
    [TOKENS.aws, config.aws],
    [TOKENS.allowedPaths, AllowedPaths.of(config.allowedVaultPaths)],
    [TOKENS.requiredContext, RequiredContext.of(config.requiredContexts)],
    [TOKENS.maxConcurrentKmsRequests, config.maxConcurrentKmsRequests],
    [TOKENS.metricsAddress, config.metricsAddress],
    [TOKENS.shutdownGraceMs, config.shutdownGraceMs],
    [TOKENS.warnings, config.warnings],
  ]);
  registerFactory(container, TOKENS.logger, () => createLogger(config.log));
  registerFactory(container, TOKENS.registry, () => createRegistry());
}
