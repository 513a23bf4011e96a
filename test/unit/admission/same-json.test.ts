import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { sameJson } from '../../../src/admission/same-json.js';

/** The same value with the members of every object in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reordered(inner)]),
  );
}

describe('sameJson', () => {
  it('finds copies equal, whatever the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const parsed: unknown = JSON.parse(JSON.stringify(value));
        expect(sameJson(parsed, reordered(structuredClone(parsed)))).toBe(true);
      }),
    );
  });

  it.each([
    ['{}', '[]'],
    ['{"a":null}', '{}'],
    ['{"a":1}', '{"b":1}'],
    ['[1,2]', '[2,1]'],
    ['{"__proto__":1}', '{"x":1}'],
    ['{"toString":null}', '{"x":null}'],
    ['null', '{}'],
    ['"1"', '1'],
  ])('tells %s from %s', (a, b) => {
    expect(sameJson(JSON.parse(a), JSON.parse(b))).toBe(false);
    expect(sameJson(JSON.parse(b), JSON.parse(a))).toBe(false);
  });

  it('does not follow values to any depth', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    const same: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(sameJson(deep, same)).toBe(false);
  });
});
