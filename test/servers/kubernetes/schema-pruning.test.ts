import { describe, expect, it } from '@jest/globals';

import { RECORDED_SCHEMA, schemaWith } from './recorded-schema.js';
import { applyDefaults, pruneUnknown, validateSchema } from './schema.js';

describe('pruneUnknown', () => {
  it('drops unknown fields at every depth, and reports their paths', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Widget',
      metadata: { name: 'x', odd: 1 },
      spec: { path: 'a', foo: { bar: 1 }, items: [{ key: 'a' }, { key: 'b', bar: 2 }], ctx: { any: 'key' } },
      other: 1,
    };
    expect(pruneUnknown(RECORDED_SCHEMA, object)).toEqual({
      value: {
        apiVersion: 'v1',
        kind: 'Widget',
        metadata: { name: 'x', odd: 1 },
        spec: { path: 'a', items: [{ key: 'a' }, { key: 'b' }], ctx: { any: 'key' } },
      },
      pruned: ['spec.foo', 'spec.items[1].bar', 'other'],
    });
  });

  it('keeps fields under x-kubernetes-preserve-unknown-fields, but prunes inside specified ones', () => {
    const schema = schemaWith({
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { strict: { type: 'object', properties: { a: { type: 'string' } } } },
    });
    const spec = { x: { free: { b: 1 }, strict: { a: 'a', b: 1 } } };
    expect(pruneUnknown(schema, { spec })).toEqual({
      value: { spec: { x: { free: { b: 1 }, strict: { a: 'a' } } } },
      pruned: ['spec.x.strict.b'],
    });
  });

  it('treats hostile names as unknown fields, and as keys of a map', () => {
    const spec: unknown = JSON.parse(
      '{"path":"a","__proto__":{"a":1},"constructor":1,"ctx":{"__proto__":"v"}}',
    );
    const { value, pruned } = pruneUnknown(RECORDED_SCHEMA, { spec });
    expect(JSON.stringify(value)).toBe('{"spec":{"path":"a","ctx":{"__proto__":"v"}}}');
    expect(pruned).toEqual(['spec.__proto__', 'spec.constructor']);
  });
});

describe('applyDefaults', () => {
  it('applies a default to an absent field and to a null', () => {
    expect(applyDefaults(RECORDED_SCHEMA, { spec: { path: 'a' } })).toEqual({
      spec: { path: 'a', mode: 'A' },
    });
    expect(applyDefaults(RECORDED_SCHEMA, { spec: { path: 'a', mode: null } })).toEqual({
      spec: { path: 'a', mode: 'A' },
    });
  });

  it('drops a null that is not nullable, so that a required field is missing', () => {
    expect(applyDefaults(RECORDED_SCHEMA, { spec: null })).toEqual({});
    const spec = applyDefaults(RECORDED_SCHEMA, { spec: { path: null, mode: 'B' } });
    expect(spec).toEqual({ spec: { mode: 'B' } });
    expect(validateSchema(RECORDED_SCHEMA, spec)).toMatchObject([
      { field: 'spec.path', type: 'FieldValueRequired' },
    ]);
  });

  it('keeps a nullable null, and the nulls of maps and lists, which validation refuses', () => {
    const schema = schemaWith({ type: 'string', nullable: true, default: 'd' });
    expect(applyDefaults(schema, { spec: { x: null } })).toEqual({ spec: { x: null } });
    const object = applyDefaults(RECORDED_SCHEMA, {
      spec: { path: 'a', mode: 'A', ctx: { k: null }, tags: [null] },
    });
    expect(validateSchema(RECORDED_SCHEMA, object).map(({ field }) => field)).toEqual([
      'spec.ctx.k',
      'spec.tags[0]',
    ]);
  });

  it('creates no object only for a default inside it, but applies defaults inside an existing one', () => {
    const inner = { type: 'object', properties: { y: { type: 'string', default: 'z' } } };
    expect(applyDefaults(schemaWith(inner), { spec: {} })).toEqual({ spec: {} });
    expect(applyDefaults(schemaWith({ ...inner, default: {} }), { spec: {} })).toEqual({
      spec: { x: { y: 'z' } },
    });
    const list = schemaWith({ type: 'array', items: inner });
    expect(applyDefaults(list, { spec: { x: [{}, { y: 'a' }] } })).toEqual({
      spec: { x: [{ y: 'z' }, { y: 'a' }] },
    });
  });

  it('applies no defaults to metadata', () => {
    expect(applyDefaults(RECORDED_SCHEMA, { metadata: { labels: null } })).toEqual({
      metadata: { labels: null },
    });
  });
});
