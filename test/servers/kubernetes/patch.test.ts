import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { isRecord } from './objects.js';
import { applyMergePatch, PatchError } from './patch.js';

/** The status of the refusal, or `applied`. */
function outcome(apply: () => unknown): number | 'applied' {
  try {
    apply();
    return 'applied';
  } catch (error) {
    if (error instanceof PatchError) return error.status;
    throw error;
  }
}

const HOSTILE: unknown = JSON.parse(
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}}}',
);

describe('applyMergePatch', () => {
  // The test cases of RFC 7386, appendix A, whose patch is an object.
  it.each<[unknown, unknown, unknown]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('merges %j and %j', (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toStrictEqual(result);
  });

  it.each([[[1]], ['text'], [5], [true], [null]])('refuses %j, which is not an object', (patch) => {
    expect(outcome(() => applyMergePatch({ a: 1 }, patch))).toBe(400);
  });

  it('names the type of a wrong patch, like a real server', () => {
    expect(() => applyMergePatch({}, [1])).toThrow(
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  });

  it('modifies neither target nor patch', () => {
    const target = { a: { b: 1 } };
    const patch = { a: { c: 2 } };
    applyMergePatch(target, patch);
    expect([target, patch]).toEqual([{ a: { b: 1 } }, { a: { c: 2 } }]);
  });

  it('treats __proto__ as an ordinary key', () => {
    const merged = applyMergePatch({}, HOSTILE);
    expect(JSON.stringify(merged)).toBe(JSON.stringify(HOSTILE));
    expect({}).not.toHaveProperty('polluted');
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(JSON.stringify(applyMergePatch(merged, JSON.parse('{"__proto__":null}')))).not.toContain(
      '__proto__',
    );
  });

  it('turns one object into another when the patch is their difference', () => {
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.integer(),
        fc.array(fc.integer(), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    const objects = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), value);
    fc.assert(
      fc.property(objects, objects, (from, to) => {
        expect(canonical(applyMergePatch(from, difference(from, to)))).toBe(canonical(to));
      }),
    );
  });
});

function difference(from: unknown, to: Record<string, unknown>): Record<string, unknown> {
  const old = new Map(isRecord(from) ? Object.entries(from) : []);
  const gone = [...old.keys()].filter((key) => !Object.hasOwn(to, key)).map((key) => [key, null] as const);
  const kept = Object.entries(to).map(([key, value]) => {
    const before = old.get(key);
    return [key, isRecord(value) && isRecord(before) ? difference(before, value) : value] as const;
  });
  return Object.fromEntries([...gone, ...kept]);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
