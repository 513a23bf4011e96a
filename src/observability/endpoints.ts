import type { Registry } from 'prom-client';
import { inject, injectable, injectAll } from 'tsyringe';

import type { ListenAddress } from '../config/config.js';
import { TOKENS } from '../tokens.js';
import { healthRoutes, type ReadinessCheck } from './health.js';
import { HttpEndpoint } from './http-endpoint.js';
import type { Logger } from './logger.js';
import { metricsRoutes } from './metrics-routes.js';

/** The operator's metrics. */
@injectable()
export class MetricsEndpoint extends HttpEndpoint {
  constructor(
    @inject(TOKENS.metricsAddress) address: ListenAddress,
    @inject(TOKENS.registry) registry: Registry,
    @inject(TOKENS.logger) logger: Logger,
  ) {
    super({ address, boundMessage: 'serving metrics', routes: metricsRoutes(registry), logger });
  }
}

/** The operator's health. */
@injectable()
export class HealthEndpoint extends HttpEndpoint {
  constructor(
    @inject(TOKENS.healthAddress) address: ListenAddress,
    @injectAll(TOKENS.readinessChecks) checks: readonly ReadinessCheck[],
    @inject(TOKENS.logger) logger: Logger,
  ) {
    super({ address, boundMessage: 'serving health', routes: healthRoutes(checks), logger });
  }
}

/** The webhook's metrics and health, on one address. */
@injectable()
export class WebhookEndpoint extends HttpEndpoint {
  constructor(
    @inject(TOKENS.metricsAddress) address: ListenAddress,
    @inject(TOKENS.registry) registry: Registry,
    @injectAll(TOKENS.readinessChecks) checks: readonly ReadinessCheck[],
    @inject(TOKENS.logger) logger: Logger,
  ) {
    super({
      address,
      boundMessage: 'serving metrics and health',
      routes: { ...metricsRoutes(registry, ['/metrics', '/']), ...healthRoutes(checks) },
      logger,
    });
  }
}
