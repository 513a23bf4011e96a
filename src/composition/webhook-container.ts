import type { Registry } from 'prom-client';
import {
  container as root,
  type DependencyContainer,
  type InjectionToken,
  instanceCachingFactory,
} from 'tsyringe';

import { AdmissionHandler } from '../admission/admission-handler.js';
import { AdmissionServer } from '../admission/admission-server.js';
import { CertificateStore } from '../admission/certificate-store.js';
import { ItemCheck } from '../admission/item-check.js';
import { ResourceReviewer } from '../admission/resource-reviewer.js';
import { VaultPathRules } from '../admission/vault-path-rules.js';
import { AllowedPaths } from '../api/allowed-paths.js';
import type { BuildInfo, WebhookConfig } from '../config/config.js';
import type { Decryptor } from '../kms/decryptor.js';
import { AwsKmsApi } from '../kms/kms-client.js';
import { KmsDecryptor } from '../kms/kms-decryptor.js';
import { PlaintextInspector } from '../kms/plaintext-inspector.js';
import { healthRoutes } from '../observability/health.js';
import { HttpEndpoint } from '../observability/http-endpoint.js';
import type { Logger } from '../observability/logger.js';
import { createRegistry, metricsRoutes } from '../observability/metrics-routes.js';
import { createLogger } from '../observability/pino-logger.js';
import { WebhookMetrics } from '../observability/webhook-metrics.js';
import { AgentFactory } from '../runtime/agents.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { Lifecycle } from './lifecycle.js';

/** Reviews that wait for KMS at a time; those beyond are told to come again. */
const MAX_REVIEWS_AT_KMS = 128;

/** Everything of the webhook that can be resolved; a test replaces any of them in a child container. */
export const WEBHOOK_TOKENS = {
  config: token<WebhookConfig>('Config'),
  lifecycle: token<Lifecycle>('Lifecycle'),
  clock: token<Clock>('Clock'),
  logger: token<Logger>('Logger'),
  registry: token<Registry>('MetricsRegistry'),
  metrics: token<WebhookMetrics>('WebhookMetrics'),
  kmsApi: token<AwsKmsApi>('KmsApi'),
  decryptor: token<Decryptor>('Decryptor'),
  certificates: token<CertificateStore>('CertificateStore'),
  reviewer: token<ResourceReviewer>('ResourceReviewer'),
  server: token<AdmissionServer>('AdmissionServer'),
  /** Undefined where a flag switches it off. */
  endpoint: token<HttpEndpoint | undefined>('MetricsEndpoint'),
} as const;

function token<T>(name: string): InjectionToken<T> {
  return Symbol(name);
}

/** A container with everything the webhook is made of. Nothing is built before it is resolved. */
export function createWebhookContainer({
  config,
  build,
}: {
  readonly config: WebhookConfig;
  readonly build: BuildInfo;
}): DependencyContainer {
  const container = root.createChildContainer();
  const register = <T>(key: InjectionToken<T>, make: (container: DependencyContainer) => T): void => {
    container.register(key, { useFactory: instanceCachingFactory(make) });
  };
  const t = WEBHOOK_TOKENS;
  register(t.config, () => config);
  register(t.lifecycle, () => new Lifecycle());
  register(t.clock, () => systemClock);
  register(t.logger, () => createLogger(config.log));
  register(t.registry, () => createRegistry());
  register(t.metrics, (c) => {
    const metrics = new WebhookMetrics(c.resolve(t.registry));
    metrics.buildInfo.set({ version: build.version, commit: build.commit }, 1);
    return metrics;
  });
  register(
    t.kmsApi,
    (c) =>
      new AwsKmsApi({
        aws: config.aws,
        agents: new AgentFactory({ network: config.network, logger: c.resolve(t.logger) }),
        maxSockets: config.maxConcurrentKmsRequests,
        metrics: c.resolve(t.metrics),
      }),
  );
  register(
    t.decryptor,
    (c) =>
      new KmsDecryptor({
        kms: c.resolve(t.kmsApi),
        maxConcurrentRequests: config.maxConcurrentKmsRequests,
        clock: c.resolve(t.clock),
        stopping: c.resolve(t.lifecycle).stopping,
        metrics: c.resolve(t.metrics),
      }),
  );
  register(
    t.certificates,
    (c) =>
      new CertificateStore({
        certFile: config.tlsCertFile,
        keyFile: config.tlsKeyFile,
        clock: c.resolve(t.clock),
        logger: c.resolve(t.logger),
        metrics: c.resolve(t.metrics),
      }),
  );
  register(
    t.reviewer,
    (c) =>
      new ResourceReviewer({
        items: new ItemCheck({
          inspector: new PlaintextInspector(c.resolve(t.decryptor)),
          maxConcurrentRequests: config.maxConcurrentKmsRequests,
          maxReviews: MAX_REVIEWS_AT_KMS,
        }),
        paths: new VaultPathRules(AllowedPaths.of(config.allowedVaultPaths)),
        onKmsError: config.onKmsError,
        logger: c.resolve(t.logger),
      }),
  );
  register(
    t.server,
    (c) =>
      new AdmissionServer({
        address: config.listenAddress,
        handler: new AdmissionHandler({
          reviewer: c.resolve(t.reviewer),
          metrics: c.resolve(t.metrics),
          logger: c.resolve(t.logger),
          givingUp: c.resolve(t.lifecycle).givingUp,
        }),
        certificates: c.resolve(t.certificates),
        logger: c.resolve(t.logger),
      }),
  );
  register(t.endpoint, (c) => endpoint(c, config));
  return container;
}

function endpoint(c: DependencyContainer, config: WebhookConfig): HttpEndpoint | undefined {
  const t = WEBHOOK_TOKENS;
  const { metricsAddress: address } = config;
  if (address === undefined) return undefined;
  return new HttpEndpoint({
    address,
    boundMessage: 'serving metrics and health',
    routes: {
      ...metricsRoutes(c.resolve(t.registry), ['/metrics', '/']),
      ...healthRoutes([
        { name: 'certificate', problem: () => c.resolve(t.certificates).problem() },
        {
          name: 'running',
          problem: () => (c.resolve(t.lifecycle).stopping.aborted ? 'shutting down' : undefined),
        },
      ]),
    },
    logger: c.resolve(t.logger),
  });
}
