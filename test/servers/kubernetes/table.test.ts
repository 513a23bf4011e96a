import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import { humanDuration } from './human-duration.js';
import { parseJsonPath } from './json-path.js';
import type { PrinterColumn } from './kinds.js';
import type { KubeObject } from './objects.js';
import { toTable } from './table.js';

const NOW = new Date('2026-01-01T12:00:00Z');

function object(fields: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: { name: 'a', creationTimestamp: '2026-01-01T11:59:55Z', ...metadata },
    ...fields,
  };
}

interface Table {
  columnDefinitions: { name: string; type: string; priority: number; description: string; format: string }[];
  rows: { cells: unknown[]; object: unknown }[];
}

function table(
  columns: readonly PrinterColumn[] | undefined,
  objects: readonly KubeObject[],
  include = 'Metadata',
): Table {
  return toTable(columns, objects, include, { resourceVersion: '5' }, NOW) as unknown as Table;
}

describe('toTable', () => {
  it('has the form of a recorded answer', () => {
    const columns = [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Note', type: 'string', jsonPath: '.spec.note', description: 'a note', priority: 1 },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ];
    const one = object({ spec: { size: 6 } });
    expect(toTable(columns, [one], 'None', { resourceVersion: '5' }, NOW)).toEqual({
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: { resourceVersion: '5' },
      columnDefinitions: [
        { name: 'Name', type: 'string', format: 'name', description: expect.any(String), priority: 0 },
        {
          name: 'Size',
          type: 'integer',
          format: '',
          description: 'Custom resource definition column (in JSONPath format): .spec.size',
          priority: 0,
        },
        { name: 'Note', type: 'string', format: '', description: 'a note', priority: 1 },
        {
          name: 'Age',
          type: 'date',
          format: '',
          description: 'Custom resource definition column (in JSONPath format): .metadata.creationTimestamp',
          priority: 0,
        },
      ],
      rows: [{ cells: ['a', 6, null, '5s'], object: null }],
    });
  });

  it.each<[string, unknown]>([
    ['None', null],
    [
      'Metadata',
      { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object({}).metadata },
    ],
    ['Object', object({ spec: 1 })],
  ])('puts into each row what includeObject=%s asks for', (include, expected) => {
    expect(table([], [object({ spec: 1 })], include).rows[0]?.object).toEqual(expected);
  });

  it.each<[string, unknown, unknown]>([
    ['string', 'text', 'text'],
    ['string', 5, '5'],
    ['string', { a: 1 }, '{"a":1}'],
    ['integer', 5, 5],
    ['integer', 5.7, 5],
    ['integer', '5', null],
    ['number', 5.5, 5.5],
    ['boolean', false, false],
    ['boolean', 'false', null],
    ['date', '2026-01-01T11:00:00Z', '60m'],
    ['date', 'yesterday', '<invalid>'],
    ['date', 5, null],
    ['string', null, null],
  ])('in a column of type %s, shows %j as %j', (type, value, cell) => {
    const columns = [{ name: 'X', type, jsonPath: '.x' }];
    expect(table(columns, [object({ x: value })]).rows[0]?.cells[1]).toEqual(cell);
  });

  it('shows the first of several matches, and an empty cell without a match', () => {
    const columns = [{ name: 'X', type: 'string', jsonPath: '.list[*].a' }];
    const objects = [object({ list: [{ a: '1' }, { a: '2' }] }), object({})];
    expect(table(columns, objects).rows.map(({ cells }) => cells[1])).toEqual(['1', null]);
  });

  it('shows name and age of a built-in kind', () => {
    const { columnDefinitions, rows } = table(undefined, [object({})]);
    expect(columnDefinitions.map(({ name }) => name)).toEqual(['Name', 'Age']);
    expect(rows[0]?.cells).toEqual(['a', '5s']);
  });

  it('shows the columns of the shipped custom resource', () => {
    const crd = parse(readFileSync('manifests/crds/kmsvaultsecrets.yaml', 'utf8'));
    const columns = crd.spec.versions[0].additionalPrinterColumns as PrinterColumn[];
    const ready = { type: 'Ready', status: 'False', reason: 'DecryptionFailed', message: 'key a' };
    const one = object({
      spec: { path: 'secret/data/app', kvSettings: { engineVersion: 'v2' } },
      status: {
        keys: '3/4',
        vaultVersion: 2,
        conditions: [{ type: 'Other', status: 'True', reason: 'No' }, ready],
      },
    });
    const { rows } = table(columns, [one, object({})]);
    expect(rows.map(({ cells }) => cells)).toEqual([
      ['a', 'secret/data/app', 'v2', 'False', 'DecryptionFailed', '3/4', 'key a', 2, null, '5s'],
      ['a', null, null, null, null, null, null, null, null, '5s'],
    ]);
  });
});

describe('humanDuration', () => {
  it.each([
    [-5, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [125, '2m5s'],
    [599, '9m59s'],
    [600, '10m'],
    [10_799, '179m'],
    [10_800, '3h'],
    [11_160, '3h6m'],
    [28_799, '7h59m'],
    [29_100, '8h'],
    [172_799, '47h'],
    [172_800, '2d'],
    [180_000, '2d2h'],
    [691_200, '8d'],
    [63_071_999, '729d'],
    [63_072_000, '2y'],
    [66_000_000, '2y33d'],
    [315_360_000, '10y'],
  ])('formats %i seconds as %s', (seconds, text) => {
    expect(humanDuration(new Date(NOW.getTime() - seconds * 1000).toISOString(), NOW)).toBe(text);
  });
});

describe('parseJsonPath', () => {
  const root = {
    spec: {
      items: [
        { n: 'a', v: 1 },
        { n: 'b', v: 2 },
      ],
      'odd-key': 'x',
    },
    labels: { 'a.b/c': 'y' },
    status: { conditions: [{ type: 'Ready', ok: true }] },
  };

  it.each<[string, unknown[]]>([
    ['.spec.items[1].n', ['b']],
    ['.spec.items[*].v', [1, 2]],
    ['.spec.items[?(@.n=="b")].v', [2]],
    [".spec.items[?(@.n=='a')].v", [1]],
    ['.spec.items[?(@.v == 2)].n', ['b']],
    ['.status.conditions[?(@.ok==true)].type', ['Ready']],
    ['.spec.odd-key', ['x']],
    [".labels['a.b/c']", ['y']],
    ['.spec.items[7].n', []],
    ['.nothing.here', []],
    ['.spec.items.n', []],
    ['.constructor', []],
  ])('evaluates %s', (path, values) => {
    expect(parseJsonPath(path)?.(root)).toEqual(values);
  });

  it.each([
    '',
    'spec.path',
    '.spec..path',
    '.spec.items[?(@.n>1)]',
    '.spec.items[1:2]',
    '.spec | x',
    '.spec.items[?(@.n=="b"',
  ])('refuses %j', (path) => {
    expect(parseJsonPath(path)).toBeUndefined();
  });
});
