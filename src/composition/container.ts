import { hostname } from 'node:os';

import { container as root, type DependencyContainer, instanceCachingFactory } from 'tsyringe';

import { AllowedPaths } from '../api/allowed-paths.js';
import { keyOf } from '../api/resource-key.js';
import type { BuildInfo, OperatorConfig } from '../config/config.js';
import { AwsKmsApi } from '../kms/kms-client.js';
import { KmsDecryptor } from '../kms/kms-decryptor.js';
import { ApiConnection } from '../kube/api-connection.js';
import { ApiEventRecorder } from '../kube/api-event-recorder.js';
import { KubeClient } from '../kube/kube-client.js';
import { type KubeConfig, leaseNamespace } from '../kube/kubeconfig.js';
import { LeaseElector } from '../kube/lease-elector.js';
import { IndexedResourceCache } from '../kube/resource-cache.js';
import { ApiResourceClient } from '../kube/resource-client.js';
import { healthRoutes } from '../observability/health.js';
import { HttpEndpoint } from '../observability/http-endpoint.js';
import { createRegistry, metricsRoutes } from '../observability/metrics-routes.js';
import { OperatorMetrics } from '../observability/operator-metrics.js';
import { createLogger } from '../observability/pino-logger.js';
import { ReconcileQueue } from '../queue/reconcile-queue.js';
import { ResyncTimer } from '../queue/resync-timer.js';
import { AgentFactory } from '../runtime/agents.js';
import { systemClock } from '../runtime/clock.js';
import { proxyFor } from '../runtime/proxy.js';
import { openGate } from '../runtime/write-gate.js';
import { VaultAuthenticatorFactory } from '../vault/authenticator-factory.js';
import { VaultClient } from '../vault/vault-client.js';
import { VaultKvStore } from '../vault/vault-kv-store.js';
import { VaultSession } from '../vault/vault-session.js';
import { VaultTransport } from '../vault/vault-transport.js';
import { SecretOperator } from '../watch/secret-operator.js';
import { registerFreshness } from './freshness.js';
import { Lifecycle } from './lifecycle.js';
import { registerReconcile } from './reconcile.js';
import type { Register } from './register.js';
import { TOKENS } from './tokens.js';

/** A resource may have 50 failed keys, each with an event, and then something else to say. */
const EVENT_BURST = 100;

/** What a container is made from. */
export interface Foundations {
  readonly config: OperatorConfig;
  readonly kubeConfig: KubeConfig;
  readonly build: BuildInfo;
}

/**
 * A container with everything the operator is made of. Nothing is built before it is resolved, and a
 * child container may replace any token.
 *
 * @throws KubeConfigError when leader election is asked for and no namespace is known for its lease.
 */
export function createOperatorContainer({ config, kubeConfig, build }: Foundations): DependencyContainer {
  const container = root.createChildContainer();
  const register: Register = (token, make) => {
    container.register(token, { useFactory: instanceCachingFactory(make) });
  };
  register(TOKENS.config, () => config);
  register(TOKENS.lifecycle, () => new Lifecycle());
  register(TOKENS.clock, () => systemClock);
  register(TOKENS.logger, () => createLogger(config.log));
  register(TOKENS.gate, (c) => c.resolve(TOKENS.elector)?.gate ?? openGate);
  register(TOKENS.registry, () => createRegistry());
  register(TOKENS.metrics, (c) => {
    const metrics = new OperatorMetrics(c.resolve(TOKENS.registry));
    metrics.buildInfo.set({ version: build.version, commit: build.commit }, 1);
    metrics.syncPeriod.set(config.syncPeriodMs / 1_000);
    // Without leader election every replica writes; with it none does before it holds the lease.
    metrics.leader.set(config.leaderElection.enabled ? 0 : 1);
    return metrics;
  });
  register(
    TOKENS.agents,
    (c) => new AgentFactory({ network: config.network, logger: c.resolve(TOKENS.logger) }),
  );
  registerKms(register, config);
  registerVault(register, config);
  registerKube(register, config, kubeConfig);
  registerElection(register, config, kubeConfig);
  registerFreshness(register, config);
  registerReconcile(register, AllowedPaths.of(config.allowedVaultPaths));
  registerQueue(register, config);
  registerEndpoints(register, config);
  return container;
}

function registerKms(register: Register, config: OperatorConfig): void {
  register(
    TOKENS.kmsApi,
    (c) =>
      new AwsKmsApi({
        aws: config.aws,
        agents: c.resolve(TOKENS.agents),
        maxSockets: config.maxConcurrentKmsRequests,
        metrics: c.resolve(TOKENS.metrics),
      }),
  );
  register(
    TOKENS.decryptor,
    (c) =>
      new KmsDecryptor({
        kms: c.resolve(TOKENS.kmsApi),
        maxConcurrentRequests: config.maxConcurrentKmsRequests,
        clock: c.resolve(TOKENS.clock),
        stopping: c.resolve(TOKENS.lifecycle).stopping,
        metrics: c.resolve(TOKENS.metrics),
        onWaiting: (owners) => {
          c.resolve(TOKENS.queue).lend(owners);
        },
      }),
  );
}

function registerVault(register: Register, config: OperatorConfig): void {
  register(TOKENS.vaultClient, (c) => {
    const logger = c.resolve(TOKENS.logger);
    return new VaultClient({
      config: config.vault,
      transport: new VaultTransport({
        config: config.vault,
        agents: c.resolve(TOKENS.agents),
        logger,
        // Beside the reconciles: look-ups, renewals and logins.
        maxSockets: config.maxConcurrentReconciles + 6,
      }),
      gate: c.resolve(TOKENS.vaultGate),
      clock: c.resolve(TOKENS.clock),
      metrics: c.resolve(TOKENS.metrics),
      stopping: c.resolve(TOKENS.lifecycle).stopping,
    });
  });
  register(TOKENS.authenticator, (c) =>
    new VaultAuthenticatorFactory().create(config.auth, {
      client: c.resolve(TOKENS.vaultClient),
      aws: config.aws,
      agents: c.resolve(TOKENS.agents),
      clock: c.resolve(TOKENS.clock),
    }),
  );
  register(
    TOKENS.vaultSession,
    (c) =>
      new VaultSession({
        client: c.resolve(TOKENS.vaultClient),
        authenticator: c.resolve(TOKENS.authenticator),
        method: config.auth.method,
        stopping: c.resolve(TOKENS.lifecycle).stopping,
        clock: c.resolve(TOKENS.clock),
        logger: c.resolve(TOKENS.logger),
        metrics: c.resolve(TOKENS.metrics),
      }),
  );
  register(TOKENS.kvStore, (c) => new VaultKvStore({ session: c.resolve(TOKENS.vaultSession) }));
}

function registerKube(register: Register, config: OperatorConfig, kubeConfig: KubeConfig): void {
  register(TOKENS.connection, (c) => {
    const trust = c.resolve(TOKENS.agents).trust();
    return new ApiConnection({
      kubeConfig,
      proxyFor: (url) => proxyFor(url, config.network),
      ...(trust === undefined ? {} : { extraRoots: () => trust.roots() }),
    });
  });
  register(
    TOKENS.kubeClient,
    (c) =>
      new KubeClient({
        connection: c.resolve(TOKENS.connection),
        gate: c.resolve(TOKENS.gate),
        clock: c.resolve(TOKENS.clock),
        givingUp: c.resolve(TOKENS.lifecycle).givingUp,
      }),
  );
  register(TOKENS.cache, () => new IndexedResourceCache());
  register(
    TOKENS.resources,
    (c) =>
      new ApiResourceClient({
        client: c.resolve(TOKENS.kubeClient),
        cache: c.resolve(TOKENS.cache),
        logger: c.resolve(TOKENS.logger),
      }),
  );
  register(
    TOKENS.events,
    (c) =>
      new ApiEventRecorder({
        client: c.resolve(TOKENS.kubeClient),
        clock: c.resolve(TOKENS.clock),
        logger: c.resolve(TOKENS.logger),
        hostname: hostname(),
        burst: EVENT_BURST,
      }),
  );
  register(
    TOKENS.operator,
    (c) =>
      new SecretOperator({
        connection: c.resolve(TOKENS.connection),
        client: c.resolve(TOKENS.kubeClient),
        logger: c.resolve(TOKENS.logger),
        clock: c.resolve(TOKENS.clock),
        metrics: c.resolve(TOKENS.metrics),
        cache: c.resolve(TOKENS.cache),
        queue: c.resolve(TOKENS.queue),
        freshness: c.resolve(TOKENS.freshness),
        namespaces: config.watchNamespaces,
        onForgotten: (key) => {
          c.resolve(TOKENS.resources).forget(key);
          c.resolve(TOKENS.reconciler).forget(key);
        },
      }),
  );
}

function registerElection(register: Register, config: OperatorConfig, kubeConfig: KubeConfig): void {
  const { enabled, namespace: given } = config.leaderElection;
  const namespace = enabled ? (given ?? leaseNamespace(kubeConfig)) : undefined;
  register(TOKENS.elector, (c) => {
    if (namespace === undefined) return undefined;
    const clock = c.resolve(TOKENS.clock);
    return new LeaseElector({
      client: new KubeClient({ connection: c.resolve(TOKENS.connection), gate: openGate, clock }),
      clock,
      logger: c.resolve(TOKENS.logger),
      metrics: c.resolve(TOKENS.metrics),
      namespace,
      hostname: hostname(),
    });
  });
}

function registerQueue(register: Register, config: OperatorConfig): void {
  register(
    TOKENS.queue,
    (c) =>
      new ReconcileQueue({
        process: (key, priority) =>
          c
            .resolve(TOKENS.freshness)
            .during(key.namespace, () =>
              c.resolve(TOKENS.reconciler).reconcile(key, priority, c.resolve(TOKENS.lifecycle).givingUp),
            ),
        isReady: (key) => c.resolve(TOKENS.freshness).mayProcess(key),
        concurrency: config.maxConcurrentReconciles,
        clock: c.resolve(TOKENS.clock),
        logger: c.resolve(TOKENS.logger),
        metrics: c.resolve(TOKENS.metrics),
      }),
  );
  register(
    TOKENS.resync,
    (c) =>
      new ResyncTimer({
        periodMs: config.syncPeriodMs,
        clock: c.resolve(TOKENS.clock),
        queue: c.resolve(TOKENS.queue),
        keys: () => [...c.resolve(TOKENS.cache).secrets()].map(keyOf),
        onPeriod: () => {
          c.resolve(TOKENS.kvStore).forgetMounts();
        },
      }),
  );
}

function registerEndpoints(register: Register, config: OperatorConfig): void {
  const { metricsAddress, healthAddress } = config;
  register(TOKENS.metricsEndpoint, (c) =>
    metricsAddress === undefined
      ? undefined
      : new HttpEndpoint({
          address: metricsAddress,
          boundMessage: 'serving metrics',
          routes: metricsRoutes(c.resolve(TOKENS.registry)),
          logger: c.resolve(TOKENS.logger),
        }),
  );
  register(TOKENS.healthEndpoint, (c) =>
    healthAddress === undefined
      ? undefined
      : new HttpEndpoint({
          address: healthAddress,
          boundMessage: 'serving health',
          routes: healthRoutes([
            {
              name: 'watches',
              problem: () => c.resolve(TOKENS.freshness).problem(),
              note: () => c.resolve(TOKENS.freshness).note(),
            },
            { name: 'vault', problem: () => c.resolve(TOKENS.vaultSession).problem() },
          ]),
          logger: c.resolve(TOKENS.logger),
        }),
  );
}
