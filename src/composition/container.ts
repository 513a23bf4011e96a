import { hostname } from 'node:os';

import { container as root, type DependencyContainer } from 'tsyringe';

import type { BuildInfo, OperatorConfig } from '../config/config.js';
import { ApiConnection } from '../kube/api-connection.js';
import { ApiEventRecorder } from '../kube/api-event-recorder.js';
import { KubeClient, UngatedKubeClient } from '../kube/kube-client.js';
import { type KubeConfig, leaseNamespace } from '../kube/kubeconfig.js';
import { LeaseElector } from '../kube/lease-elector.js';
import { IndexedResourceCache } from '../kube/resource-cache.js';
import { ApiResourceClient } from '../kube/resource-client.js';
import { HealthEndpoint } from '../observability/endpoints.js';
import { OperatorMetrics } from '../observability/operator-metrics.js';
import { OperatorProgram } from '../program/operator-program.js';
import { OperatorWork } from '../program/operator-work.js';
import { ReconcileQueue } from '../queue/reconcile-queue.js';
import { ResyncTimer } from '../queue/resync-timer.js';
import { StallDetector } from '../runtime/stall-detector.js';
import { openGate } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import { Freshness } from '../watch/freshness.js';
import { SecretOperator } from '../watch/secret-operator.js';
import { registerMetrics } from './metrics.js';
import { registerReconcile } from './reconcile.js';
import { registerAll, registerServices, registerValues, type Service } from './registration.js';
import { registerSharedParts } from './shared-parts.js';
import { registerVault } from './vault.js';

const SERVICES: readonly Service[] = [
  [TOKENS.program, OperatorProgram],
  [TOKENS.work, OperatorWork],
  [TOKENS.operator, SecretOperator],
  [TOKENS.freshness, Freshness],
  [TOKENS.stalls, StallDetector],
  [TOKENS.queue, ReconcileQueue],
  [TOKENS.resync, ResyncTimer],
  [TOKENS.cache, IndexedResourceCache],
  [TOKENS.connection, ApiConnection],
  [TOKENS.kubeClient, KubeClient],
  [TOKENS.resources, ApiResourceClient],
  [TOKENS.events, ApiEventRecorder],
  [TOKENS.metrics, OperatorMetrics],
];

/** The inputs of a container. */
export interface Foundations {
  readonly config: OperatorConfig;
  readonly kubeConfig: KubeConfig;
  readonly build: BuildInfo;
}

/**
 * A container with all services of the operator. Nothing is created before it is resolved, and a child container
 * may replace any token.
 *
 * @throws KubeConfigError when leader election is on and the namespace of its lease is not known.
 */
export function createOperatorContainer({ config, kubeConfig, build }: Foundations): DependencyContainer {
  const container = root.createChildContainer();
  registerSharedParts(container, config, build);
  registerServices(container, SERVICES);
  registerReconcile(container);
  registerVault(container, config);
  registerValues(container, [
    [TOKENS.kubeConfig, kubeConfig],
    [TOKENS.hostname, hostname()],
    [TOKENS.healthAddress, config.healthAddress],
    [TOKENS.maxConcurrentReconciles, config.maxConcurrentReconciles],
    [TOKENS.syncPeriodMs, config.syncPeriodMs],
    [TOKENS.watchNamespaces, config.watchNamespaces],
    [TOKENS.provenance, config.provenance],
  ]);
  registerAll(container, TOKENS.resourceMemories, [TOKENS.resources, TOKENS.reconciler]);
  registerAll(container, TOKENS.readinessChecks, [TOKENS.freshness, TOKENS.vaultSession]);
  registerOptionalParts(container, config, kubeConfig);
  return container;
}

/** Services that flags switch on and off. */
function registerOptionalParts(
  container: DependencyContainer,
  { leaderElection, metricsAddress, metricsTls, healthAddress }: OperatorConfig,
  kubeConfig: KubeConfig,
): void {
  if (metricsAddress !== undefined) registerMetrics(container, metricsTls);
  if (healthAddress !== undefined) registerServices(container, [[TOKENS.healthEndpoint, HealthEndpoint]]);
  if (!leaderElection.enabled) {
    registerValues(container, [[TOKENS.gate, openGate]]);
    return;
  }
  registerValues(container, [
    [TOKENS.leaseNamespace, leaderElection.namespace ?? leaseNamespace(kubeConfig)],
  ]);
  registerServices(container, [
    [TOKENS.elector, LeaseElector],
    [TOKENS.leaseClient, UngatedKubeClient],
  ]);
  registerAll(container, TOKENS.gate, [TOKENS.elector]);
}
