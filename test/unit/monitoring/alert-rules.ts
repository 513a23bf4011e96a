import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

export const ALERTS_FILE = 'kustomize/components/monitoring/alerts.yaml';

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook_url', string>>;
}

export interface PrometheusRule {
  readonly kind: string;
  readonly spec: {
    readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
  };
}

export function prometheusRule(): PrometheusRule {
  return parse(readFileSync(ALERTS_FILE, 'utf8')) as PrometheusRule;
}

export function allAlerts(): Alert[] {
  return prometheusRule().spec.groups.flatMap(({ rules }) => rules);
}
