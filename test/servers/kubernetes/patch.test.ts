import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { isRecord } from './objects.js';
import { applyJsonPatch, applyMergePatch, PatchError } from './patch.js';

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

  it.each([[[1]], ['text'], [5], [true], [null]])('refuses %j, which is no object', (patch) => {
    expect(outcome(() => applyMergePatch({ a: 1 }, patch))).toBe(400);
  });

  it('says what a patch of the wrong type is, in the words of the real server', () => {
    expect(() => applyMergePatch({}, [1])).toThrow(
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  });

  it('leaves target and patch as they are', () => {
    const target = { a: { b: 1 } };
    const patch = { a: { c: 2 } };
    applyMergePatch(target, patch);
    expect([target, patch]).toEqual([{ a: { b: 1 } }, { a: { c: 2 } }]);
  });

  it('takes __proto__ for a key like any other', () => {
    const merged = applyMergePatch({}, HOSTILE);
    expect(JSON.stringify(merged)).toBe(JSON.stringify(HOSTILE));
    expect({}).not.toHaveProperty('polluted');
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(JSON.stringify(applyMergePatch(merged, JSON.parse('{"__proto__":null}')))).not.toContain(
      '__proto__',
    );
  });

  it('makes one object of any other, when the patch is their difference', () => {
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

describe('applyJsonPatch', () => {
  it.each<[string, unknown, unknown[], unknown]>([
    ['adds a member', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    ['adds over a member', { a: 1 }, [{ op: 'add', path: '/a', value: [] }], { a: [] }],
    ['adds null for a value left out', { a: 1 }, [{ op: 'add', path: '/b' }], { a: 1, b: null }],
    ['inserts into a list', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    ['appends with an index', { a: [1] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2] }],
    ['appends with -', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    ['removes a member', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    ['removes an item', { a: [1, 2, 3] }, [{ op: 'remove', path: '/a/1' }], { a: [1, 3] }],
    ['replaces an item', { a: [{ b: 1 }] }, [{ op: 'replace', path: '/a/0/b', value: 2 }], { a: [{ b: 2 }] }],
    ['replaces the document', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    ['moves', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    ['moves within a list', { a: [1, 2, 3] }, [{ op: 'move', from: '/a/0', path: '/a/2' }], { a: [2, 3, 1] }],
    ['copies', { a: { b: [1] } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: [1] }, c: { b: [1] } }],
    [
      'tests whatever the order of keys',
      { a: { b: 1, c: 2 } },
      [{ op: 'test', path: '/a', value: { c: 2, b: 1 } }],
      { a: { b: 1, c: 2 } },
    ],
    ['tests that a member is not there', { a: 1 }, [{ op: 'test', path: '/b', value: null }], { a: 1 }],
    [
      'reads ~1 as / and ~0 as ~',
      { 'a/b': { 'm~n': 1 } },
      [{ op: 'remove', path: '/a~1b/m~0n' }],
      { 'a/b': {} },
    ],
    ['reads ~01 as ~1', { '~1': 1 }, [{ op: 'remove', path: '/~01' }], {}],
    ['knows the empty key', { '': 1 }, [{ op: 'replace', path: '/', value: 2 }], { '': 2 }],
    [
      'works on what it made',
      {},
      [
        { op: 'add', path: '/a', value: {} },
        { op: 'add', path: '/a/b', value: 1 },
      ],
      { a: { b: 1 } },
    ],
  ])('%s', (_what, target, operations, result) => {
    expect(applyJsonPatch(target, operations)).toStrictEqual(result);
  });

  it.each<[string, unknown]>([
    ['a failed test', { op: 'test', path: '/a', value: 2 }],
    ['a test below nothing', { op: 'test', path: '/x/y', value: null }],
    ['removal of nothing', { op: 'remove', path: '/x' }],
    ['replacement of nothing', { op: 'replace', path: '/x', value: 1 }],
    ['an addition below nothing', { op: 'add', path: '/x/y', value: 1 }],
    ['an addition to a text', { op: 'add', path: '/t/y', value: 1 }],
    ['an addition behind the end', { op: 'add', path: '/l/3', value: 1 }],
    ['a replacement with -', { op: 'replace', path: '/l/-', value: 1 }],
    ['an index that is none', { op: 'remove', path: '/l/one' }],
    ['a copy of nothing', { op: 'copy', from: '/x', path: '/y' }],
    ['a move into itself', { op: 'move', from: '/o', path: '/o/inner' }],
    ['removal of the document', { op: 'remove', path: '' }],
    ['a pointer without a slash', { op: 'add', path: 'a', value: 1 }],
    ['a missing path', { op: 'add', value: 1 }],
    ['an unknown operation', { op: 'merge', path: '/a', value: 1 }],
    ['a copy of what only the prototype has', { op: 'copy', from: '/constructor', path: '/y' }],
    ['a member of the prototype', { op: 'replace', path: '/__proto__', value: {} }],
    ['a member of a function of the prototype', { op: 'add', path: '/constructor/x', value: 1 }],
  ])('refuses %s with 422', (_what, operation) => {
    const target = { a: 1, t: 'text', l: [1, 2], o: { inner: 1 } };
    const before = JSON.stringify(target);
    expect(outcome(() => applyJsonPatch(target, [{ op: 'add', path: '/a', value: 9 }, operation]))).toBe(422);
    expect(JSON.stringify(target)).toBe(before);
  });

  it.each<[unknown, string]>([
    [{ op: 'x' }, 'cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    ['text', 'cannot unmarshal string into Go value of type []handlers.jsonPatchOp'],
    [[5], 'cannot unmarshal number into Go value of type handlers.jsonPatchOp'],
  ])('refuses %j, which is no list of operations, with 400', (operations, message) => {
    expect(outcome(() => applyJsonPatch({}, operations))).toBe(400);
    expect(() => applyJsonPatch({}, operations)).toThrow(message);
  });

  it('takes 10,000 operations and refuses one more with 413', () => {
    const operations = Array.from({ length: 10_000 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(outcome(() => applyJsonPatch({ a: 1 }, operations))).toBe('applied');
    expect(outcome(() => applyJsonPatch({ a: 1 }, [...operations, operations[0]]))).toBe(413);
  });

  it('adds __proto__ as a key like any other', () => {
    const patched = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
    expect(JSON.stringify(patched)).toBe('{"__proto__":{"polluted":true}}');
    expect({}).not.toHaveProperty('polluted');
  });

  it('undoes an addition with a removal', () => {
    const keys = fc.string().filter((key) => key !== 'known');
    fc.assert(
      fc.property(keys, fc.jsonValue(), (key, value) => {
        const path = `/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`;
        const added = applyJsonPatch({ known: 1 }, [
          { op: 'add', path, value },
          { op: 'test', path, value },
        ]);
        expect(applyJsonPatch(added, [{ op: 'remove', path }])).toEqual({ known: 1 });
      }),
    );
  });
});
