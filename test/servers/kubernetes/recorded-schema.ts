import type { Schema } from './schema.js';

/** The schema that the answers below were recorded with, from a kube-apiserver 1.36. */
export const RECORDED_SCHEMA: Schema = {
  type: 'object',
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      required: ['path'],
      properties: {
        size: { type: 'integer', format: 'int32', minimum: 1, maximum: 10 },
        mode: { type: 'string', enum: ['A', 'B'], default: 'A' },
        path: { type: 'string', minLength: 1, maxLength: 20, pattern: '^[a-z/]+$' },
        items: {
          type: 'array',
          minItems: 1,
          maxItems: 3,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['key'],
          items: {
            type: 'object',
            required: ['key'],
            properties: { key: { type: 'string' }, value: { type: 'string' } },
          },
        },
        tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        ctx: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
  },
};

/** A schema whose spec has one field `x`. */
export function schemaWith(x: object): Schema {
  return { type: 'object', properties: { spec: { type: 'object', properties: { x } } } };
}
