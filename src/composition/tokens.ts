import type { Registry } from 'prom-client';
import type { InjectionToken } from 'tsyringe';

import type { OperatorConfig } from '../config/config.js';
import type { Decryptor } from '../kms/decryptor.js';
import type { AwsKmsApi } from '../kms/kms-client.js';
import type { ApiConnection } from '../kube/api-connection.js';
import type { EventRecorder } from '../kube/event-recorder.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { LeaseElector } from '../kube/lease-elector.js';
import type { IndexedResourceCache } from '../kube/resource-cache.js';
import type { ResourceClient } from '../kube/resource-store.js';
import type { HttpEndpoint } from '../observability/http-endpoint.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { ReconcileQueue } from '../queue/reconcile-queue.js';
import type { ResyncTimer } from '../queue/resync-timer.js';
import type { FinalizerHandler } from '../reconcile/finalizer-handler.js';
import type { Reconciler } from '../reconcile/reconciler.js';
import type { SecretAggregator } from '../reconcile/secret-aggregator.js';
import type { SecretSync } from '../reconcile/secret-sync.js';
import type { AgentFactory } from '../runtime/agents.js';
import type { Clock } from '../runtime/clock.js';
import type { StallDetector } from '../runtime/stall-detector.js';
import type { WriteGate } from '../runtime/write-gate.js';
import type { VaultAuthenticator } from '../vault/authenticator.js';
import type { KvStore } from '../vault/kv-store.js';
import type { VaultClient } from '../vault/vault-client.js';
import type { VaultSession } from '../vault/vault-session.js';
import type { Freshness } from '../watch/freshness.js';
import type { SecretOperator } from '../watch/secret-operator.js';
import type { Lifecycle } from './lifecycle.js';

/** Everything that can be resolved; a test replaces any of them in a child container. */
export const TOKENS = {
  config: token<OperatorConfig>('Config'),
  lifecycle: token<Lifecycle>('Lifecycle'),
  clock: token<Clock>('Clock'),
  logger: token<Logger>('Logger'),
  registry: token<Registry>('MetricsRegistry'),
  metrics: token<OperatorMetrics>('OperatorMetrics'),
  gate: token<WriteGate>('WriteGate'),
  /** For changes in Vault: asks for the freshness of the cache, too. */
  vaultGate: token<WriteGate>('VaultGate'),
  freshness: token<Freshness>('Freshness'),
  stalls: token<StallDetector>('StallDetector'),
  /** Undefined without leader election. */
  elector: token<LeaseElector | undefined>('LeaseElector'),
  agents: token<AgentFactory>('AgentFactory'),
  kmsApi: token<AwsKmsApi>('KmsApi'),
  decryptor: token<Decryptor>('Decryptor'),
  vaultClient: token<VaultClient>('VaultClient'),
  authenticator: token<VaultAuthenticator>('VaultAuthenticator'),
  vaultSession: token<VaultSession>('VaultSession'),
  kvStore: token<KvStore>('KvStore'),
  connection: token<ApiConnection>('ApiConnection'),
  kubeClient: token<KubeClient>('KubeClient'),
  cache: token<IndexedResourceCache>('ResourceCache'),
  resources: token<ResourceClient>('ResourceClient'),
  events: token<EventRecorder>('EventRecorder'),
  aggregator: token<SecretAggregator>('SecretAggregator'),
  secretSync: token<SecretSync>('SecretSync'),
  finalizers: token<FinalizerHandler>('FinalizerHandler'),
  reconciler: token<Reconciler>('Reconciler'),
  queue: token<ReconcileQueue>('ReconcileQueue'),
  resync: token<ResyncTimer>('ResyncTimer'),
  operator: token<SecretOperator>('SecretOperator'),
  /** Undefined where a flag switches it off. */
  metricsEndpoint: token<HttpEndpoint | undefined>('MetricsEndpoint'),
  healthEndpoint: token<HttpEndpoint | undefined>('HealthEndpoint'),
} as const;

function token<T>(name: string): InjectionToken<T> {
  return Symbol(name);
}
