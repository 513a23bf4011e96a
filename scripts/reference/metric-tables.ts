import { Registry } from 'prom-client';

import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { WebhookMetrics } from '../../src/observability/webhook-metrics.js';
import { code, plain, table } from './markdown.js';

interface DeclaredMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** The metrics of both programs, as they declare them. */
export function metricTables(): string {
  const operator = new Registry();
  new OperatorMetrics(operator);
  const webhook = new Registry();
  new WebhookMetrics(webhook);
  return [
    'Beside these, both programs export the default metrics of `prom-client`: `process_*` and `nodejs_*`. No label ' +
      'holds a path, the name of a key or free text.',
    '### Metrics of the operator',
    metricTable(operator),
    '### Metrics of the webhook',
    metricTable(webhook),
  ].join('\n\n');
}

function metricTable(registry: Registry): string {
  const metrics = registry.getMetricsAsArray() as unknown as readonly DeclaredMetric[];
  return table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map(({ name, type, labelNames, help }) => [
      code(name),
      type,
      labelNames.map(code).join(', '),
      plain(help),
    ]),
  );
}
