import type { DependencyContainer } from 'tsyringe';

import { policyOf } from '../cli/checking/policy.js';
import type { Console } from '../cli/console.js';
import { DryRunEvents, DryRunQueue, DryRunResources, DryRunView } from '../cli/planning/dry-run-cluster.js';
import { DryRunKvStore } from '../cli/planning/dry-run-store.js';
import { Forecaster } from '../cli/planning/forecaster.js';
import { ObservedSync } from '../cli/planning/observed-sync.js';
import { Plan } from '../cli/planning/plan.js';
import { PlannedCluster } from '../cli/planning/planned-cluster.js';
import type { PlanScope, PlanSettings } from '../cli/planning/plan-scope.js';
import { IndexedResourceCache } from '../kube/resource-cache.js';
import { SecretSync } from '../reconcile/secret-sync.js';
import { TOKENS } from '../tokens.js';
import { registerCallerVault } from './caller-vault.js';
import { registerSecretReconcile } from './reconcile.js';
import { registerServices, registerValues, type Service } from './registration.js';

/** They take the places of the cluster, of Vault and of the queue. */
const DRY_RUN: readonly Service[] = [
  [TOKENS.cache, IndexedResourceCache],
  [TOKENS.resources, DryRunResources],
  [TOKENS.events, DryRunEvents],
  [TOKENS.freshness, DryRunView],
  [TOKENS.queue, DryRunQueue],
  [TOKENS.kvStore, DryRunKvStore],
  [TOKENS.operatorSync, SecretSync],
  [TOKENS.secretSync, ObservedSync],
  [TOKENS.forecaster, Forecaster],
  [TOKENS.plannedCluster, PlannedCluster],
];

/** Registers the services of the operator for a cluster in memory, and a Vault that is only read. */
export function registerDryRun(container: DependencyContainer): void {
  registerSecretReconcile(container);
  registerServices(container, DRY_RUN);
}

/**
 * Adds what `plan` needs to the container of the author's tool.
 *
 * @throws AuthorError when a variable or an option is not valid.
 */
export async function addPlan(
  container: DependencyContainer,
  foundations: { readonly environment: Record<string, string | undefined>; readonly console: Console },
  { policy, namespace, provenance = false, cluster }: PlanSettings,
): Promise<void> {
  const { allowedPaths, requiredContext } = policyOf(policy, foundations.console);
  registerCallerVault(container, foundations);
  registerDryRun(container);
  registerServices(container, [[TOKENS.plan, Plan]]);
  let ofContext: string | undefined;
  if (cluster !== undefined) {
    // The Kubernetes client is loaded only for this.
    const { registerCluster } = await import('./cluster-parts.js');
    ofContext = registerCluster(container, foundations.environment, cluster);
  }
  const scope: PlanScope = {
    namespace: namespace ?? ofContext ?? 'default',
    isGiven: namespace !== undefined,
  };
  registerValues(container, [
    [TOKENS.allowedPaths, allowedPaths],
    [TOKENS.requiredContext, requiredContext],
    [TOKENS.planScope, scope],
    [TOKENS.provenance, provenance],
  ]);
}
