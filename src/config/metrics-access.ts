import type { MetricsTlsConfig } from './config.js';
import { type FaultList, nonEmpty } from './fault-list.js';
import type { FlagSpec } from './flags.js';

const SECURE = '--metrics-secure';

/** The flags that protect the metrics of the operator. */
export const METRICS_ACCESS_FLAGS: readonly FlagSpec[] = [
  {
    name: 'metrics-secure',
    default: 'false',
    boolean: true,
    description:
      'Serve /metrics over TLS, to clients that the API server authenticates and allows to get /metrics.',
  },
  {
    name: 'metrics-tls-cert-file',
    description: `PEM file of the certificate for ${SECURE}; reloaded when it changes.`,
  },
  {
    name: 'metrics-tls-key-file',
    description: `PEM file of its key; reloaded when it changes.`,
  },
];

/** @returns undefined without `--metrics-secure`. */
export function metricsTls(
  values: Readonly<Record<string, string | undefined>>,
  faults: FaultList,
): MetricsTlsConfig | undefined {
  const isSecure = values['metrics-secure'] === 'true';
  if (isSecure && values['metrics-addr'] === '0') {
    faults.warnings.push(`${SECURE} has no effect with --metrics-addr=0, which switches the metrics off`);
  }
  const file = (name: string): string => {
    const value = nonEmpty(values[name]);
    if (isSecure && value === undefined) faults.add(`--${name} is missing: ${SECURE} needs it`);
    if (!isSecure && value !== undefined) faults.add(`--${name} needs ${SECURE}: add it, or remove both`);
    return value ?? '';
  };
  const files = { certFile: file('metrics-tls-cert-file'), keyFile: file('metrics-tls-key-file') };
  return isSecure ? files : undefined;
}
