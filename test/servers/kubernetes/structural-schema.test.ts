import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import { RECORDED_SCHEMA, schemaWith } from './recorded-schema.js';
import type { Schema } from './schema.js';
import { validateColumns, validateStructural } from './structural-schema.js';

function refusals(schema: Schema): string[] {
  return validateStructural(schema, 's').map(({ field, type, message }) => `${type} ${field}: ${message}`);
}

const X = 's.properties[spec].properties[x]';
const TEXT = { type: 'string' };

describe('validateStructural', () => {
  it('accepts what a real server accepted', () => {
    expect(refusals(RECORDED_SCHEMA)).toEqual([]);
  });

  it.each(['kmsvaultsecrets', 'partialkmsvaultsecrets'])('accepts the shipped %s', (plural) => {
    const crd = parse(readFileSync(`manifests/crds/${plural}.yaml`, 'utf8'));
    const [version] = crd.spec.versions;
    expect(refusals(version.schema.openAPIV3Schema as Schema)).toEqual([]);
    expect(validateColumns(version.additionalPrinterColumns as unknown[], 'c')).toEqual([]);
  });

  it.each<[string, object]>([
    ['a field of any type', { 'x-kubernetes-preserve-unknown-fields': true }],
    ['a set of text', { type: 'array', items: TEXT, 'x-kubernetes-list-type': 'set' }],
    ['a default that fits', { type: 'object', properties: { y: TEXT }, default: { y: 'z' } }],
    [
      'a list map whose key has a default',
      {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: { ...TEXT, default: 'd' } } },
      },
    ],
  ])('accepts %s', (_what, x) => {
    expect(refusals(schemaWith(x))).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      'no type',
      {},
      `FieldValueRequired ${X}.type: Required value: must not be empty for specified object fields`,
    ],
    [
      'no type of the items',
      { type: 'array', items: {} },
      `FieldValueRequired ${X}.items.type: Required value: must not be empty for specified array items`,
    ],
    [
      'an unknown type',
      { type: 'date' },
      `FieldValueNotSupported ${X}.type: Unsupported value: "date": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    ],
    [
      'a list without items',
      { type: 'array' },
      `FieldValueRequired ${X}.items: Required value: must be specified`,
    ],
    [
      '$ref',
      { type: 'object', $ref: '#/a' },
      `FieldValueForbidden ${X}.$ref: Forbidden: this server does not enforce $ref`,
    ],
    [
      'a closed object',
      { type: 'object', additionalProperties: false },
      `FieldValueForbidden ${X}.additionalProperties: Forbidden: additionalProperties cannot be set to false`,
    ],
    [
      'an object that is a map, too',
      { type: 'object', properties: { a: TEXT }, additionalProperties: TEXT },
      `FieldValueForbidden ${X}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      'a list map without keys',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
      `FieldValueRequired ${X}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
    ],
    [
      'a list map whose key is optional',
      {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: TEXT } },
      },
      `FieldValueRequired ${X}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
    [
      'a list map whose key is no property',
      {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['constructor'],
        items: { type: 'object', properties: {} },
      },
      `FieldValueInvalid ${X}.x-kubernetes-list-map-keys[0]: Invalid value: "constructor": entries must all be names of item properties`,
    ],
    [
      'keys of a list that is no map',
      { type: 'array', items: TEXT, 'x-kubernetes-list-map-keys': ['k'] },
      `FieldValueForbidden ${X}.x-kubernetes-list-map-keys: Forbidden: must be empty if x-kubernetes-list-type is not map`,
    ],
    [
      'a list type of what is no list',
      { type: 'string', 'x-kubernetes-list-type': 'set' },
      `FieldValueInvalid ${X}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`,
    ],
    [
      'an unknown list type',
      { type: 'array', items: TEXT, 'x-kubernetes-list-type': 'bag' },
      `FieldValueNotSupported ${X}.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set"`,
    ],
    [
      'a set of objects',
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' },
      `FieldValueInvalid ${X}.items.type: Invalid value: "object": must be a scalar as item of a list with x-kubernetes-list-type=set`,
    ],
    [
      'a default of the wrong type',
      { type: 'string', default: 5 },
      `FieldValueTypeInvalid ${X}.default: Invalid value: "integer": ${X}.default in body must be of type string: "integer"`,
    ],
    [
      'a default with an unknown field',
      { type: 'object', properties: {}, default: { odd: 1 } },
      `FieldValueInvalid ${X}.default: Invalid value: {"odd":1}: must not have unknown fields, but has odd`,
    ],
    [
      'a pattern that is none',
      { type: 'string', pattern: '(' },
      `FieldValueInvalid ${X}.pattern: Invalid value: "(": must be a valid regular expression`,
    ],
    // Keywords that the real server accepts and this one does not enforce.
    [
      'CEL',
      { type: 'string', 'x-kubernetes-validations': [{ rule: 'true' }] },
      `FieldValueForbidden ${X}.x-kubernetes-validations: Forbidden: this server does not enforce x-kubernetes-validations`,
    ],
    ...['anyOf', 'not', 'uniqueItems', 'multipleOf', 'x-kubernetes-int-or-string'].map(
      (keyword): [string, object, string] => [
        keyword,
        { type: 'string', [keyword]: true },
        `FieldValueForbidden ${X}.${keyword}: Forbidden: this server does not enforce ${keyword}`,
      ],
    ),
    [
      'a format that it does not check',
      { type: 'string', format: 'ipv4' },
      `FieldValueForbidden ${X}.format: Forbidden: this server does not check the format ipv4`,
    ],
  ])('refuses %s', (_what, x, refusal) => {
    expect(refusals(schemaWith(x))).toContain(refusal);
  });

  it('refuses a root that is not an object', () => {
    expect(refusals({})).toEqual([
      'FieldValueRequired s.type: Required value: must not be empty at the root',
    ]);
    expect(refusals({ type: 'string' })).toEqual([
      'FieldValueInvalid s.type: Invalid value: "string": must be object at the root',
    ]);
  });

  it('lets a schema restrict metadata.name and no other field of metadata', () => {
    const withMetadata = (metadata: object): string[] =>
      refusals({ type: 'object', properties: { metadata: { type: 'object', ...metadata } } });
    const refusal =
      'FieldValueForbidden s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified';
    expect(withMetadata({})).toEqual([]);
    expect(withMetadata({ properties: { name: { ...TEXT, maxLength: 20 } } })).toEqual([]);
    expect(withMetadata({ properties: { labels: { type: 'object' } } })).toEqual([refusal]);
    expect(withMetadata({ description: 'Its name.' })).toEqual([refusal]);
  });
});

describe('validateColumns', () => {
  it.each<[object, string]>([
    [{ type: 'string', jsonPath: '.a' }, 'c[0].name'],
    [{ name: 'A', jsonPath: '.a' }, 'c[0].type'],
    [{ name: 'A', type: 'text', jsonPath: '.a' }, 'c[0].type'],
    [{ name: 'A', type: 'string' }, 'c[0].jsonPath'],
    [{ name: 'A', type: 'string', jsonPath: 'a' }, 'c[0].jsonPath'],
    [{ name: 'A', type: 'string', jsonPath: '.a[1:2]' }, 'c[0].jsonPath'],
  ])('refuses %j', (column, field) => {
    expect(validateColumns([column], 'c').map((problem) => problem.field)).toEqual([field]);
  });
});
