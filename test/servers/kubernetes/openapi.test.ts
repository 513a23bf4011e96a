import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import { establishedStatus, kindsOfCrd } from './crd.js';
import { BUILTIN_KINDS, type ResourceKind } from './kinds.js';
import { isRecord, type KubeObject } from './objects.js';
import { openApiV2, openApiV3, openApiV3Index } from './openapi.js';
import { schemaWith } from './recorded-schema.js';

function served(crd: KubeObject): ResourceKind[] {
  return kindsOfCrd({ ...crd, status: establishedStatus(crd) });
}
const SECRETS = served(parse(readFileSync('manifests/crds/kmsvaultsecrets.yaml', 'utf8')) as KubeObject);
const KINDS: readonly ResourceKind[] = [...BUILTIN_KINDS, ...SECRETS];
const OURS = 'apis/k8s.patoarvizu.dev/v1alpha1';

interface Document {
  paths: Record<string, Record<string, Record<string, unknown>>>;
  components: { schemas: Record<string, Record<string, unknown>> };
  definitions: Record<string, Record<string, unknown>>;
}

function document(path: string, kinds = KINDS): Document {
  return openApiV3(kinds, path) as unknown as Document;
}

/** Every reference below a value. */
function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

describe('openApiV3Index', () => {
  it('links to the document of each group and version, and every link works', () => {
    const { paths } = openApiV3Index(KINDS) as { paths: Record<string, { serverRelativeURL: string }> };
    expect(paths[OURS]).toEqual({ serverRelativeURL: `/openapi/v3/${OURS}` });
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['api/v1', 'apis/apps/v1']));
    for (const path of Object.keys(paths)) expect(openApiV3(KINDS, path)).toBeDefined();
  });
});

describe('openApiV3', () => {
  it('has no document for a group that is not served', () => {
    expect(openApiV3(BUILTIN_KINDS, OURS)).toBeUndefined();
    expect(openApiV3(KINDS, 'api')).toBeUndefined();
  });

  it('contains the schema of the CRD under its kind', () => {
    const { schemas } = document(OURS).components;
    const shown = schemas['dev.patoarvizu.k8s.v1alpha1.KMSVaultSecret'];
    expect(shown?.['x-kubernetes-group-version-kind']).toEqual([
      { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'KMSVaultSecret' },
    ]);
    const own = SECRETS[0]?.custom?.schema['properties'] as Record<string, unknown>;
    expect(shown?.['properties']).toMatchObject({ spec: own['spec'], status: own['status'] });
  });

  it('lists fieldValidation as a parameter of every write, for kubectl', () => {
    for (const path of [OURS, 'api/v1', 'apis/apps/v1']) {
      const operations = Object.values(document(path).paths).flatMap((one) => Object.values(one));
      expect(operations.length).toBeGreaterThan(0);
      for (const operation of operations) {
        expect(operation['parameters']).toContainEqual(expect.objectContaining({ name: 'fieldValidation' }));
      }
    }
  });

  it('contains the served paths', () => {
    const paths = Object.keys(document(OURS).paths);
    expect(paths).toContain(`/${OURS}/namespaces/{namespace}/kmsvaultsecrets/{name}`);
    expect(Object.keys(document('api/v1').paths)).toContain('/api/v1/namespaces/{name}');
  });

  it('has no dangling references', () => {
    for (const path of [OURS, 'api/v1', 'apis/apps/v1', 'apis/rbac.authorization.k8s.io/v1']) {
      const one = document(path);
      const found = references(one);
      expect(found.length).toBeGreaterThan(0);
      const missing = found.filter(
        (to) => !Object.hasOwn(one.components.schemas, to.replace('#/components/schemas/', '')),
      );
      expect(missing).toEqual([]);
    }
  });
});

describe('openApiV2', () => {
  it('defines every served kind and has no dangling references', () => {
    const { definitions } = openApiV2(KINDS) as unknown as Document;
    const described = Object.values(definitions).flatMap(
      (one) => one['x-kubernetes-group-version-kind'] ?? [],
    );
    expect(described).toHaveLength(KINDS.length);
    const missing = references(definitions).filter(
      (to) => !Object.hasOwn(definitions, to.replace('#/definitions/', '')),
    );
    expect(missing).toEqual([]);
  });

  it('omits keywords that version 2 lacks, but keeps fields with these names', () => {
    const schema = schemaWith({
      type: 'object',
      nullable: true,
      properties: {
        not: { type: 'string', anyOf: [{ minLength: 1 }] },
        list: { type: 'array', items: { type: 'string', default: 'x' } },
      },
    });
    const [first] = SECRETS;
    if (first?.custom === undefined) throw new Error('the CRD serves nothing');
    const odd = { ...first, custom: { ...first.custom, schema } };
    const { definitions } = openApiV2([odd]) as unknown as Document;
    expect(definitions['dev.patoarvizu.k8s.v1alpha1.KMSVaultSecret']?.['properties']).toMatchObject({
      spec: {
        properties: {
          x: {
            type: 'object',
            properties: { not: { type: 'string' }, list: { type: 'array', items: { type: 'string' } } },
          },
        },
      },
    });
    expect(JSON.stringify(definitions)).not.toMatch(/anyOf|nullable|"default"/);
  });
});
