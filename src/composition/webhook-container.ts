import { container as root, type DependencyContainer } from 'tsyringe';

import { AdmissionHandler } from '../admission/admission-handler.js';
import { AdmissionServer } from '../admission/admission-server.js';
import { CertificateStore } from '../admission/certificate-store.js';
import { ItemCheck } from '../admission/item-check.js';
import { ResourceReviewer } from '../admission/resource-reviewer.js';
import { SpecReview } from '../admission/spec-review.js';
import { VaultPathRules } from '../admission/vault-path-rules.js';
import type { BuildInfo, WebhookConfig } from '../config/config.js';
import { PlaintextInspector } from '../kms/plaintext-inspector.js';
import { WebhookEndpoint } from '../observability/endpoints.js';
import { WebhookMetrics } from '../observability/webhook-metrics.js';
import { WebhookProgram } from '../program/webhook-program.js';
import { TOKENS } from '../tokens.js';
import { registerAll, registerServices, registerValues, type Service } from './registration.js';
import { registerSharedParts } from './shared-parts.js';

const SERVICES: readonly Service[] = [
  [TOKENS.webhookProgram, WebhookProgram],
  [TOKENS.server, AdmissionServer],
  [TOKENS.admissionHandler, AdmissionHandler],
  [TOKENS.certificates, CertificateStore],
  [TOKENS.reviewer, ResourceReviewer],
  [TOKENS.specReview, SpecReview],
  [TOKENS.itemCheck, ItemCheck],
  [TOKENS.inspector, PlaintextInspector],
  [TOKENS.pathRules, VaultPathRules],
  [TOKENS.metrics, WebhookMetrics],
];

/** A container with all services of the webhook. Nothing is created before it is resolved. */
export function createWebhookContainer({
  config,
  build,
}: {
  readonly config: WebhookConfig;
  readonly build: BuildInfo;
}): DependencyContainer {
  const container = root.createChildContainer();
  registerSharedParts(container, config, build);
  registerServices(container, SERVICES);
  if (config.metricsAddress !== undefined)
    registerServices(container, [[TOKENS.metricsEndpoint, WebhookEndpoint]]);
  registerAll(container, TOKENS.readinessChecks, [TOKENS.certificates, TOKENS.lifecycle]);
  registerValues(container, [
    [TOKENS.listenAddress, config.listenAddress],
    [TOKENS.onKmsError, config.onKmsError],
    [TOKENS.tlsCertFile, config.tlsCertFile],
    [TOKENS.tlsKeyFile, config.tlsKeyFile],
  ]);
  return container;
}
