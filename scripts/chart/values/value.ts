import { NAMESPACE_NAME } from '../../../src/config/values.js';

/** A JSON schema, as far as the chart's values need it. */
export type Schema = Readonly<Record<string, unknown>>;

/** One value of the chart; `values.yaml`, its schema and the README are made of these. */
export interface ChartValue {
  /** Keys joined by dots. */
  readonly path: string;
  /** Sentences in Markdown. */
  readonly description: string;
  readonly schema: Schema;
  /** Null: the chart decides, as the description says. */
  readonly default: unknown;
}

/** Values that belong together, with the heading of their table in the README. */
export interface ValueGroup {
  readonly heading: string;
  readonly text?: string;
  readonly values: readonly ChartValue[];
}

const STRING: Schema = { type: 'string' };
const MAP_OF_STRINGS: Schema = { type: 'object', additionalProperties: STRING };

export function string(
  path: string,
  description: string,
  fallback: string | null = '',
  rules: Schema = {},
): ChartValue {
  return { path, description, default: fallback, schema: { ...STRING, ...rules } };
}

/** A text that must not be empty: no object could have it. */
export function name(path: string, description: string, fallback: string): ChartValue {
  return string(path, description, fallback, { minLength: 1 });
}

export function flag(path: string, description: string, fallback: boolean | null): ChartValue {
  return { path, description, default: fallback, schema: { type: 'boolean' } };
}

export function count(path: string, description: string, minimum: number, rules: Schema = {}): ChartValue {
  return { path, description, default: null, schema: { type: 'integer', minimum, ...rules } };
}

/** Names of namespaces. */
export function namespaces(path: string, description: string): ChartValue {
  const items = { ...STRING, pattern: NAMESPACE_NAME.source };
  return { path, description, default: [], schema: { type: 'array', uniqueItems: true, items } };
}

export function mapOfStrings(path: string, description: string): ChartValue {
  return { path, description, default: {}, schema: MAP_OF_STRINGS };
}

/** Part of an object of Kubernetes, which the API server checks; `required` are the fields of each item of an array. */
export function part(
  path: string,
  description: string,
  type: 'object' | 'array',
  fallback?: unknown,
  required: readonly string[] = [],
): ChartValue {
  const item = { type: 'object', ...(required.length === 0 ? {} : { required }) };
  const schema = type === 'array' ? { type, items: item } : { type };
  return { path, description, default: fallback ?? (type === 'array' ? [] : {}), schema };
}

/** Environment variables of a container. */
export function variables(path: string, description: string): ChartValue {
  const item = {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 1 },
      value: { type: ['string', 'null'] },
      valueFrom: { type: ['object', 'null'] },
    },
  };
  return { path, description, default: [], schema: { type: 'array', items: item } };
}
