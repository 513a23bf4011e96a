import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import { GROUP, type Kind, PARTIAL_KIND, PLURALS, SECRET_KIND, VERSION } from '../../../src/api/group.js';
import { InterfaceReader, type Shape } from './interface-fields.js';
import { driftBetween, type SchemaNode } from './schema-drift.js';

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: Readonly<Record<string, unknown>>;
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly subresources: object;
      readonly schema: { readonly openAPIV3Schema: SchemaNode };
      readonly additionalPrinterColumns: readonly {
        name: string;
        type: string;
        jsonPath: string;
        priority?: number;
      }[];
    }[];
  };
}

const KINDS: readonly Kind[] = [SECRET_KIND, PARTIAL_KIND];
const reader = new InterfaceReader('src/api/resources.ts');

function crdOf(kind: Kind): Crd {
  return parse(readFileSync(`manifests/crds/${PLURALS[kind]}.yaml`, 'utf8')) as Crd;
}

function schemaOf(kind: Kind): SchemaNode {
  return crdOf(kind).spec.versions[0]?.schema.openAPIV3Schema ?? {};
}

/** The API server defines and checks them; a CRD cannot. */
const SERVER_FIELDS: readonly string[] = ['apiVersion', 'kind', 'metadata'];

/** The drift that is meant, line by line, with its reason. */
const INTENDED: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  KMSVaultSecret: {
    'KMSVaultSecret.spec: required in the interface only':
      'the Go schema takes objects without a spec; validation.ts judges those that are stored',
  },
  PartialKMSVaultSecret: {
    'PartialKMSVaultSecret.spec: required in the interface only':
      'the Go schema takes objects without a spec; validation.ts judges those that are stored',
  },
};

function drift(kind: Kind, schema: SchemaNode = schemaOf(kind)): string[] {
  const root = reader.read(kind);
  if (root.kind !== 'object') throw new Error(`${kind} is no object`);
  return driftBetween(
    { kind: 'object', fields: ownFields(root.fields) },
    { ...schema, properties: ownFields(schema.properties ?? {}) },
    kind,
  );
}

function ownFields<T>(fields: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !SERVER_FIELDS.includes(name)));
}

/** A copy of the schema with one node changed; `path` names properties, `[]` the items of a list. */
function doctored(kind: Kind, path: string, change: (node: Record<string, unknown>) => void): SchemaNode {
  const schema = structuredClone(schemaOf(kind)) as Record<string, unknown>;
  let node = schema;
  for (const part of path.split('.')) {
    const next = part === '[]' ? node['items'] : (node['properties'] as Record<string, unknown>)[part];
    node = next as Record<string, unknown>;
  }
  change(node);
  return schema;
}

/** Every node below a schema, with its path. */
function nodesOf(schema: SchemaNode, path: string): [string, SchemaNode][] {
  const inner: [string, SchemaNode][] = Object.entries(schema.properties ?? {}).map(([name, node]) => [
    `${path}.${name}`,
    node,
  ]);
  if (schema.items !== undefined) inner.push([`${path}[]`, schema.items]);
  return [[path, schema], ...inner.flatMap(([at, node]) => nodesOf(node, at))];
}

describe.each(KINDS)('CRD of %s', (kind) => {
  const crd = crdOf(kind);

  it('says what the interface in src/api says, and nothing else', () => {
    expect(drift(kind)).toEqual(Object.keys(INTENDED[kind]));
  });

  it('bears the names of src/api/group.ts', () => {
    const plural = PLURALS[kind];
    expect(crd.metadata.name).toBe(`${plural}.${GROUP}`);
    expect(crd.spec).toMatchObject({ group: GROUP, scope: 'Namespaced', names: { kind, plural } });
    expect(crd.spec.versions).toHaveLength(1);
    expect(crd.spec.versions[0]).toMatchObject({
      name: VERSION,
      served: true,
      storage: true,
      subresources: { status: {} },
    });
  });

  it('gives an object without a status one that is not current, and nothing to any other', () => {
    const defaults = nodesOf(schemaOf(kind), '').flatMap(([at, node]) =>
      node['default'] === undefined ? [] : [[at, node['default']]],
    );
    // On the status and not on its field: a status of the Go operator has no observedGeneration and must not get one.
    expect(defaults).toEqual([['.status', { observedGeneration: -1 }]]);
    expect(crd.spec.names).toMatchObject({ categories: ['kms-vault'] });
  });

  it('describes every field', () => {
    // Of metadata a CRD may say nothing; the items of a list of names are described with the list.
    const silent = [`${kind}.metadata`, `${kind}.spec.includeSecrets[]`];
    const undescribed = nodesOf(schemaOf(kind), kind)
      .filter(([at, node]) => !silent.includes(at) && typeof node['description'] !== 'string')
      .map(([at]) => at);
    expect(undescribed).toEqual([]);
  });

  it('has no rule in CEL, which would block finalizers of stored objects', () => {
    const ruled = nodesOf(schemaOf(kind), kind).filter(
      ([, node]) => node['x-kubernetes-validations'] !== undefined,
    );
    expect(ruled).toEqual([]);
  });
});

describe('rules of the CRDs', () => {
  /** Keywords that refuse a value, beside type, properties and items. */
  const RULES = [
    'required',
    'enum',
    'minimum',
    'format',
    'x-kubernetes-list-type',
    'x-kubernetes-list-map-keys',
  ];
  const KNOWN = ['type', 'description', 'properties', 'items', 'additionalProperties', ...RULES];
  const SECRETS = {
    secrets: { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['key'] },
    'secrets[]': { required: ['key'] },
  };

  function rulesOf(kind: Kind): Record<string, object> {
    const spec = schemaOf(kind).properties?.['spec'] ?? {};
    const rules = nodesOf(spec, 'spec').map(([at, node]): [string, object] => {
      expect(Object.keys(node).filter((keyword) => !KNOWN.includes(keyword))).toEqual([]);
      return [at, Object.fromEntries(Object.entries(node).filter(([keyword]) => RULES.includes(keyword)))];
    });
    return Object.fromEntries(rules.filter(([, rule]) => Object.keys(rule).length > 0));
  }

  // The rules of the Go operator, but for `secrets`, which need not be there any more, and for fields that it had not.
  it('hold a KMSVaultSecret to what the Go operator did', () => {
    expect(rulesOf(SECRET_KIND)).toEqual({
      spec: { required: ['kvSettings', 'path'] },
      'spec.kvSettings': { required: ['engineVersion'] },
      'spec.kvSettings.engineVersion': { enum: ['v1', 'v2'] },
      'spec.kvSettings.deletion': { enum: ['all', 'latest'] },
      'spec.kvSettings.casIndex': { minimum: 0 },
      'spec.secrets': SECRETS['secrets'],
      'spec.secrets[]': SECRETS['secrets[]'],
      'spec.includeSecrets': { 'x-kubernetes-list-type': 'set' },
    });
  });

  it('hold a PartialKMSVaultSecret to what the Go operator did', () => {
    expect(rulesOf(PARTIAL_KIND)).toEqual({
      'spec.secrets': SECRETS['secrets'],
      'spec.secrets[]': SECRETS['secrets[]'],
    });
  });

  it.each<[Kind, string[]]>([
    [
      SECRET_KIND,
      ['Path', 'Engine', 'Ready', 'Reason', 'Keys', 'Message*', 'Version*', 'Last-Write*', 'Age'],
    ],
    [PARTIAL_KIND, ['Ready', 'Reason', 'Included-By', 'Message*', 'Age']],
  ])('show the columns of %s, those with * with -o wide only', (kind, names) => {
    const columns = crdOf(kind).spec.versions[0]?.additionalPrinterColumns ?? [];
    expect(columns.map(({ name, priority }) => name + (priority === 1 ? '*' : ''))).toEqual(names);
    const fields = nodesOf(schemaOf(kind), '').map(([at]) => at);
    const simple = columns.map(({ jsonPath }) => jsonPath).filter((path) => !path.includes('[?'));
    expect(simple.filter((path) => path !== '.metadata.creationTimestamp' && !fields.includes(path))).toEqual(
      [],
    );
  });
});

describe('driftBetween', () => {
  const NOTED = Object.keys(INTENDED.KMSVaultSecret);

  it.each<[string, string, (node: Record<string, unknown>) => void, string]>([
    [
      'a field that only the schema knows',
      'spec.kvSettings',
      (node) => Object.assign(node['properties'] as object, { mount: { type: 'string' } }),
      'KMSVaultSecret.spec.kvSettings.mount: only in the schema',
    ],
    [
      'a field that only the interface knows',
      'spec.secrets.[]',
      (node) => delete (node['properties'] as Record<string, unknown>)['emptySecret'],
      'KMSVaultSecret.spec.secrets[].emptySecret: only in the interface',
    ],
    [
      'another type',
      'status.vaultVersion',
      (node) => (node['type'] = 'string'),
      'KMSVaultSecret.status.vaultVersion: number in the interface, string in the schema',
    ],
    [
      'another type of the items',
      'spec.includeSecrets.[]',
      (node) => (node['type'] = 'integer'),
      'KMSVaultSecret.spec.includeSecrets[]: string in the interface, integer in the schema',
    ],
    [
      'another type of the values of a map',
      'spec.secretContext',
      (node) => (node['additionalProperties'] = { type: 'boolean' }),
      'KMSVaultSecret.spec.secretContext{}: string in the interface, boolean in the schema',
    ],
    [
      'one more value of an enum',
      'spec.kvSettings.engineVersion',
      (node) => (node['enum'] = ['v1', 'v2', 'v3']),
      'KMSVaultSecret.spec.kvSettings.engineVersion: v1 or v2 in the interface, v1 or v2 or v3 in the schema',
    ],
    [
      'no enum any more',
      'status.conditions.[].status',
      (node) => delete node['enum'],
      'KMSVaultSecret.status.conditions[].status: False or True or Unknown in the interface, any value in the schema',
    ],
    [
      'a field that the schema requires',
      'spec',
      (node) => (node['required'] = ['kvSettings', 'path', 'secrets']),
      'KMSVaultSecret.spec.secrets: required in the schema only',
    ],
    [
      'a field that the schema does not require',
      'status.failedKeys.[]',
      (node) => delete node['required'],
      'KMSVaultSecret.status.failedKeys[].key: required in the interface only',
    ],
  ])('tells %s', (_what, path, change, line) => {
    const found = drift(SECRET_KIND, doctored(SECRET_KIND, path, change));
    expect(found.filter((one) => !NOTED.includes(one))).toContain(line);
  });

  it('reports a required field that is not a property', () => {
    const schema: SchemaNode = { type: 'object', properties: {}, required: ['ghost'] };
    expect(driftBetween({ kind: 'object', fields: {} }, schema, 'x')).toEqual([
      'x.ghost: required, but not a property',
    ]);
  });
});

describe('InterfaceReader', () => {
  it('reads names, optionality, types and unions', () => {
    const text: Shape = { kind: 'string' };
    expect(reader.read('KvSettings')).toEqual({
      kind: 'object',
      fields: {
        engineVersion: { required: true, shape: { kind: 'enum', values: ['v1', 'v2'] } },
        casIndex: { required: false, shape: { kind: 'number' } },
        deletion: { required: false, shape: { kind: 'enum', values: ['all', 'latest'] } },
        metadata: {
          required: false,
          shape: {
            kind: 'object',
            fields: {
              maxVersions: { required: false, shape: { kind: 'number' } },
              deleteVersionAfter: { required: false, shape: text },
              casRequired: { required: false, shape: { kind: 'boolean' } },
              customMetadata: { required: false, shape: { kind: 'map', values: text } },
            },
          },
        },
      },
    });
    expect(reader.read('SecretItem')).toEqual({
      kind: 'object',
      fields: {
        key: { required: true, shape: text },
        encryptedSecret: { required: false, shape: text },
        secretContext: { required: false, shape: { kind: 'map', values: text } },
        emptySecret: { required: false, shape: { kind: 'boolean' } },
      },
    });
  });

  it('fails on an interface that is not there', () => {
    expect(() => reader.read('Ghost')).toThrow('there is no interface Ghost');
  });
});
