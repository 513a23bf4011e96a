import type { DependencyContainer } from 'tsyringe';

import { AuthorError } from '../cli/author-error.js';
import type { PlanSettings } from '../cli/planning/plan-scope.js';
import { ApiConnection } from '../kube/api-connection.js';
import { KubeClient } from '../kube/kube-client.js';
import { KubeConfigError, loadKubeConfig, namespaceOf } from '../kube/kubeconfig.js';
import { ResourceLists } from '../kube/resource-lists.js';
import { TOKENS } from '../tokens.js';
import { registerServices, registerValues, type Service } from './registration.js';

const SERVICES: readonly Service[] = [
  [TOKENS.connection, ApiConnection],
  [TOKENS.kubeClient, KubeClient],
  [TOKENS.resourceLists, ResourceLists],
];

/**
 * Registers what reads the cluster of a kubeconfig.
 *
 * @returns the namespace of the context.
 * @throws AuthorError when there is no usable kubeconfig.
 */
export function registerCluster(
  container: DependencyContainer,
  environment: Readonly<Record<string, string | undefined>>,
  { kubeconfig: file, context }: NonNullable<PlanSettings['cluster']>,
): string | undefined {
  try {
    const kubeConfig = loadKubeConfig({ file, context, environment });
    registerServices(container, SERVICES);
    registerValues(container, [[TOKENS.kubeConfig, kubeConfig]]);
    return namespaceOf(kubeConfig);
  } catch (error) {
    throw error instanceof KubeConfigError ? new AuthorError(error.message) : error;
  }
}
