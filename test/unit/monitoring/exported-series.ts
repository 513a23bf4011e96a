import type { Registry } from 'prom-client';

import { createRegistry } from '../../../src/observability/metrics-routes.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { WebhookMetrics } from '../../../src/observability/webhook-metrics.js';

/** What Prometheus puts on every series that it scrapes by a ServiceMonitor. */
export const TARGET_LABELS = ['namespace', 'job', 'service', 'pod', 'container', 'endpoint', 'instance'];

interface DeclaredMetric {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

/** The names of the series that a registry gives out, each with its own labels. */
export function seriesOf(registry: Registry): Map<string, readonly string[]> {
  const series = new Map<string, readonly string[]>();
  for (const { name, type, labelNames } of registry.getMetricsAsArray() as unknown as DeclaredMetric[]) {
    if (type === 'histogram') {
      series.set(`${name}_bucket`, [...labelNames, 'le']);
      for (const suffix of ['sum', 'count']) series.set(`${name}_${suffix}`, labelNames);
    } else {
      series.set(name, labelNames);
    }
  }
  return series;
}

/** A registry as the operator has it. */
export function operatorRegistry(): Registry {
  const registry = createRegistry();
  new OperatorMetrics(registry);
  return registry;
}

/** A registry as the webhook has it. */
export function webhookRegistry(): Registry {
  const registry = createRegistry();
  new WebhookMetrics(registry);
  return registry;
}

/** The labels of a series of either program, with those of its target; undefined for a name of neither. */
export function labelsOfSeries(): (name: string) => readonly string[] | undefined {
  const series = new Map([...seriesOf(operatorRegistry()), ...seriesOf(webhookRegistry())]);
  // What Prometheus itself says of a target.
  series.set('up', []);
  return (name) => {
    const labels = series.get(name);
    return labels === undefined ? undefined : [...new Set([...TARGET_LABELS, ...labels])];
  };
}
