import { describe, expect, it } from '@jest/globals';

import { RECORDED_SCHEMA, schemaWith } from './recorded-schema.js';
import { type Schema, validateSchema } from './schema.js';

function problemsOf(spec: unknown, schema: Schema = RECORDED_SCHEMA): [string, string, string][] {
  return validateSchema(schema, { kind: 'Widget', metadata: { name: 5 }, spec }).map(
    ({ field, type, message }) => [field, type, message],
  );
}

describe('validateSchema', () => {
  it.each<[string, object, [string, string, string][]]>([
    ['a missing field', {}, [['spec.path', 'FieldValueRequired', 'Required value']]],
    [
      'a value outside the enum',
      { path: 'a', mode: 'C' },
      [['spec.mode', 'FieldValueNotSupported', 'Unsupported value: "C": supported values: "A", "B"']],
    ],
    [
      'a number below the minimum',
      { path: 'a', size: 0 },
      [
        [
          'spec.size',
          'FieldValueInvalid',
          'Invalid value: 0: spec.size in body should be greater than or equal to 1',
        ],
      ],
    ],
    [
      'a number above the maximum',
      { path: 'a', size: 11 },
      [
        [
          'spec.size',
          'FieldValueInvalid',
          'Invalid value: 11: spec.size in body should be less than or equal to 10',
        ],
      ],
    ],
    [
      'text for a number',
      { path: 'a', size: 'x' },
      [
        [
          'spec.size',
          'FieldValueTypeInvalid',
          'Invalid value: "string": spec.size in body must be of type integer: "string"',
        ],
      ],
    ],
    [
      'a number for text',
      { path: 5 },
      [
        [
          'spec.path',
          'FieldValueTypeInvalid',
          'Invalid value: "integer": spec.path in body must be of type string: "integer"',
        ],
      ],
    ],
    [
      'a fraction for an integer',
      { path: 'a', size: 1.5 },
      [
        [
          'spec.size',
          'FieldValueTypeInvalid',
          'Invalid value: "float64": spec.size in body must be of type int32: "float64"',
        ],
        [
          '<nil>',
          'FieldValueInvalid',
          'Invalid value: "": Checked value must be of type integer with format int32 in spec.size',
        ],
      ],
    ],
    [
      'a number beyond int32',
      { path: 'a', size: 3_000_000_000 },
      [
        [
          '<nil>',
          'FieldValueInvalid',
          'Invalid value: "": Checked value must be of type integer with format int32 in spec.size',
        ],
        [
          'spec.size',
          'FieldValueInvalid',
          'Invalid value: 3000000000: spec.size in body should be less than or equal to 10',
        ],
      ],
    ],
    [
      'a double key of a list map',
      { path: 'a', items: [{ key: 'k' }, { key: 'k', value: 'other' }] },
      [['spec.items[1]', 'FieldValueDuplicate', 'Duplicate value: {"key":"k"}']],
    ],
    [
      'a missing key of a list map',
      { path: 'a', items: [{ value: 'k' }] },
      [['spec.items[0].key', 'FieldValueRequired', 'Required value']],
    ],
    [
      'a double in a set',
      { path: 'a', tags: ['x', 'x'] },
      [['spec.tags[1]', 'FieldValueDuplicate', 'Duplicate value: "x"']],
    ],
    [
      'text that is too short',
      { path: '' },
      [
        [
          'spec.path',
          'FieldValueInvalid',
          'Invalid value: "": spec.path in body should be at least 1 chars long',
        ],
      ],
    ],
    [
      'text that is too long',
      { path: 'a'.repeat(21) },
      [['spec.path', 'FieldValueTooLong', 'Too long: may not be more than 20 bytes']],
    ],
    [
      'text that does not match',
      { path: 'A1' },
      [
        [
          'spec.path',
          'FieldValueInvalid',
          'Invalid value: "A1": spec.path in body should match \'^[a-z/]+$\'',
        ],
      ],
    ],
    [
      'too few items',
      { path: 'a', items: [] },
      [
        [
          'spec.items',
          'FieldValueInvalid',
          'Invalid value: 0: spec.items in body should have at least 1 items',
        ],
      ],
    ],
    [
      'too many items',
      { path: 'a', items: ['0', '1', '2', '3'].map((key) => ({ key })) },
      [['spec.items', 'FieldValueTooMany', 'Too many: 4: must have at most 3 items']],
    ],
    [
      'a wrong type in a map',
      { path: 'a', ctx: { k: 1 } },
      [
        [
          'spec.ctx.k',
          'FieldValueTypeInvalid',
          'Invalid value: "integer": spec.ctx.k in body must be of type string: "integer"',
        ],
      ],
    ],
  ])('refuses %s with the recorded message', (_what, spec, problems) => {
    expect(problemsOf(spec)).toEqual(problems);
  });

  it('reports every problem, missing fields last', () => {
    expect(problemsOf({ mode: 'C', size: 0 }).map(([field]) => field)).toEqual([
      'spec.mode',
      'spec.size',
      'spec.path',
    ]);
  });

  it('accepts a complete object, and one without a spec, which the root does not require', () => {
    expect(
      problemsOf({
        path: 'a/b',
        size: 10,
        mode: 'B',
        items: [{ key: 'a' }, { key: 'b' }],
        tags: ['x', 'y'],
        ctx: { k: 'v' },
      }),
    ).toEqual([]);
    expect(validateSchema(RECORDED_SCHEMA, {})).toEqual([]);
  });

  it.each<[object, unknown, boolean]>([
    [{ type: 'string', format: 'date-time' }, '2026-01-01T00:00:00Z', true],
    [{ type: 'string', format: 'date-time' }, '2026-01-01T00:00:00.123456789+02:00', true],
    [{ type: 'string', format: 'date-time' }, '2026-01-01', false],
    [{ type: 'string', format: 'date-time' }, '2026-02-30T00:00:00Z', false],
    [{ type: 'string', format: 'date-time' }, '2026-01-01T24:00:00Z', false],
    [{ type: 'string', format: 'date-time' }, '2026-01-01T00:00:00', false],
    [{ type: 'integer', format: 'int64' }, 9007199254740991, true],
    [{ type: 'integer', format: 'int64' }, 1e300, false],
    [{ type: 'integer', format: 'int32' }, -2147483648, true],
    [{ type: 'integer', format: 'int32' }, -2147483649, false],
    [{ type: 'integer' }, 1.5, false],
    [{ type: 'number' }, 1, true],
    [{ type: 'boolean' }, 'true', false],
    [{ type: 'array', items: { type: 'string' } }, ['a', 1], false],
    [{ type: 'array', items: { type: 'string' } }, [null], false],
    [{ type: 'array', items: { type: 'string', nullable: true } }, [null], true],
    [{ type: 'object', additionalProperties: { type: 'string' } }, { a: null }, false],
    [{ 'x-kubernetes-preserve-unknown-fields': true }, { any: ['thing', null] }, true],
    [{ type: 'integer', enum: [1, 2] }, 2, true],
    [{ type: 'integer', enum: [1, 2] }, 3, false],
  ])('with the schema %j, valid(%j) is %s', (x, value, valid) => {
    expect(problemsOf({ x: value }, schemaWith(x)).length === 0).toBe(valid);
  });

  it('does not count a member of the prototype as a required field', () => {
    const schema = schemaWith({ type: 'object', properties: {}, required: ['constructor'] });
    expect(problemsOf({ x: {} }, schema)).toEqual([
      ['spec.x.constructor', 'FieldValueRequired', 'Required value'],
    ]);
  });
});
