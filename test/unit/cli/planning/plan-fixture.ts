import { container as root, type DependencyContainer } from 'tsyringe';

import { AllowedPaths } from '../../../../src/api/allowed-paths.js';
import { type Kind, SECRET_KIND } from '../../../../src/api/group.js';
import { Console } from '../../../../src/cli/console.js';
import type { DeclaredResource } from '../../../../src/cli/planning/declared-resources.js';
import type { DryRunKvStore, PlaceInVault } from '../../../../src/cli/planning/dry-run-store.js';
import type { Forecast } from '../../../../src/cli/planning/forecast.js';
import type { Forecaster } from '../../../../src/cli/planning/forecaster.js';
import type { PlannedCluster } from '../../../../src/cli/planning/planned-cluster.js';
import { registerDryRun } from '../../../../src/composition/plan-parts.js';
import { registerValues } from '../../../../src/composition/registration.js';
import { NoMetrics } from '../../../../src/observability/no-metrics.js';
import { readOnlyGate } from '../../../../src/runtime/write-gate.js';
import { TOKENS } from '../../../../src/tokens.js';
import type { ReconcileFixture } from '../../../support/reconcile-fixture.js';

/** After everything that a fixture creates. */
const NOW = Date.parse('2027-01-01T00:00:00Z');

export interface PlanOfFixture {
  readonly forecasts: readonly Forecast[];
  /** What a path holds, and would hold. */
  readonly at: (path: string) => PlaceInVault | undefined;
  readonly notes: string;
}

export function declared(
  kind: Kind,
  name: string,
  spec: unknown,
  metadata: Readonly<Record<string, unknown>> = {},
): DeclaredResource {
  return {
    kind,
    namespace: 'default',
    name,
    object: { kind, metadata: { name, ...metadata }, spec },
    source: { file: 'all.yaml', line: 1 },
  };
}

/** Plans files against the Vault, the KMS and the cluster of a fixture; `files-only` does without the cluster. */
export async function planFor(
  fixture: ReconcileFixture,
  resources: readonly DeclaredResource[],
  mode: 'cluster' | 'files-only' = 'cluster',
): Promise<PlanOfFixture> {
  let notes = '';
  const stream = { write: (text: string) => (notes += text) };
  const container: DependencyContainer = root.createChildContainer();
  registerDryRun(container);
  registerValues(container, [
    [TOKENS.callerKvStore, fixture.vault],
    [TOKENS.decryptor, fixture.kms],
    [TOKENS.gate, readOnlyGate],
    [TOKENS.allowedPaths, AllowedPaths.any],
    [TOKENS.requiredContext, fixture.requiredContext],
    [TOKENS.logger, fixture.logger],
    [TOKENS.metrics, new NoMetrics()],
    [TOKENS.provenance, fixture.provenance],
    [TOKENS.logger, fixture.logger],
    [TOKENS.console, new Console({ stdout: stream, stderr: stream, environment: {} })],
    [TOKENS.clock, { now: () => new Date(NOW), monotonicMs: () => NOW, setTimer: () => () => undefined }],
  ]);
  if (mode === 'cluster') {
    const { cache } = fixture;
    const lists = {
      list: (kind: Kind) => Promise.resolve([...(kind === SECRET_KIND ? cache.secrets() : cache.partials())]),
    };
    registerValues(container, [[TOKENS.resourceLists, lists]]);
  }
  const secrets = await container.resolve<PlannedCluster>(TOKENS.plannedCluster).apply(resources);
  const forecasts = await container.resolve<Forecaster>(TOKENS.forecaster).forecast(secrets);
  const store = container.resolve<DryRunKvStore>(TOKENS.kvStore);
  return { forecasts, at: (path) => store.at(path), notes };
}
