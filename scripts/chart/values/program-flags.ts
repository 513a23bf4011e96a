import type { FlagSpec } from '../../../src/config/flags.js';
import type { Schema } from './value.js';

/** Set by the chart itself: by other values, or because ports and mounts depend on them. */
const OF_THE_CHART = new Set([
  'enable-leader-election',
  'health-addr',
  'kubeconfig',
  'leader-election-namespace',
  'listen-addr',
  'metrics-addr',
  'metrics-secure',
  'metrics-tls-cert-file',
  'metrics-tls-key-file',
  'sync-period-seconds',
  'tls-cert-file',
  'tls-key-file',
  'vault-authentication-method',
  'watch-namespace',
]);

/** The flags of a program that users set by the value `flags`. */
export function freeFlags(specs: readonly FlagSpec[]): FlagSpec[] {
  return specs.filter(({ name }) => !OF_THE_CHART.has(name));
}

/** The schema of a map of flags. */
export function flagsSchema(specs: readonly FlagSpec[]): Schema {
  const properties = Object.fromEntries(
    freeFlags(specs).map((spec) => [spec.name, { description: spec.description, ...flagSchema(spec) }]),
  );
  return { type: ['object', 'null'], additionalProperties: false, properties };
}

/** What the program accepts; a pattern is for text alone. */
function flagSchema({ boolean, choices, default: fallback = '' }: FlagSpec): Schema {
  if (choices !== undefined) return { enum: [...choices, null] };
  if (boolean === true)
    return {
      type: ['boolean', 'string', 'null'],
      pattern: '^(1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$',
    };
  if (/^[0-9]+$/.test(fallback))
    return { type: ['integer', 'string', 'null'], minimum: 0, pattern: '^[0-9]+$' };
  const text = { type: 'string', minLength: 1 };
  return { ...text, type: ['string', 'array', 'null'], minItems: 1, items: text };
}
