import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import { pruneUnknown, type Schema, validateSchema } from './schema.js';

describe('the schemas of manifests/crds', () => {
  function schemaOf(plural: string): Schema {
    const crd = parse(readFileSync(`manifests/crds/${plural}.yaml`, 'utf8'));
    return crd.spec.versions[0].schema.openAPIV3Schema as Schema;
  }
  const secrets = schemaOf('kmsvaultsecrets');
  const base = { path: 'secret/app', kvSettings: { engineVersion: 'v1' } };

  it.each<[string, object]>([
    ['no secrets', base],
    ['an empty list', { ...base, secrets: [] }],
    ['an empty key', { ...base, secrets: [{ key: '' }] }],
    ['casIndex with v1', { ...base, kvSettings: { engineVersion: 'v1', casIndex: 0 } }],
    ['an item without a value', { ...base, secrets: [{ key: 'a' }] }],
    ['hostile keys', { ...base, secrets: [{ key: '__proto__', emptySecret: true }, { key: 'constructor' }] }],
  ])('accept %s', (_what, spec) => {
    expect(validateSchema(secrets, { spec })).toEqual([]);
    expect(pruneUnknown(secrets, { spec }).pruned).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['no path', { kvSettings: base.kvSettings }, 'spec.path: Required value'],
    ['no kvSettings', { path: 'a/b' }, 'spec.kvSettings: Required value'],
    ['no engine', { ...base, kvSettings: {} }, 'spec.kvSettings.engineVersion: Required value'],
    [
      'an unknown engine',
      { ...base, kvSettings: { engineVersion: 'v3' } },
      'spec.kvSettings.engineVersion: Unsupported value: "v3": supported values: "v1", "v2"',
    ],
    [
      'a negative casIndex',
      { ...base, kvSettings: { engineVersion: 'v2', casIndex: -1 } },
      'spec.kvSettings.casIndex: Invalid value: -1: spec.kvSettings.casIndex in body should be greater than or equal to 0',
    ],
    [
      'an item without a key',
      { ...base, secrets: [{ emptySecret: true }] },
      'spec.secrets[0].key: Required value',
    ],
    [
      'a key twice',
      { ...base, secrets: [{ key: 'a' }, { key: 'a' }] },
      'spec.secrets[1]: Duplicate value: {"key":"a"}',
    ],
    [
      'an include twice',
      { ...base, includeSecrets: ['a', 'a'] },
      'spec.includeSecrets[1]: Duplicate value: "a"',
    ],
  ])('refuse %s', (_what, spec, line) => {
    expect(validateSchema(secrets, { spec }).map(({ field, message }) => `${field}: ${message}`)).toEqual([
      line,
    ]);
  });

  it('accept a complete status, and a status of the Go operator', () => {
    const status = {
      created: true,
      path: 'secret/data/app',
      observedGeneration: 4,
      keys: '3/4',
      failedKeys: [{ key: 'db-password', reason: 'InvalidCiphertext' }],
      failedKeysCut: true,
      vaultVersion: 7,
      vaultVersionCreated: 'however Vault spells it',
      inputsHash: 'sha256:00',
      lastWriteTime: '2026-01-01T00:00:00Z',
      claim: {
        path: 'secret/data/next',
        engineVersion: 'v2',
        held: 'something',
        vaultVersion: 3,
        vaultVersionCreated: 'however Vault spells it',
        inputsHash: 'sha256:00',
      },
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'DecryptionFailed',
          message: 'm',
          observedGeneration: 4,
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    for (const one of [status, { created: true }, {}]) {
      expect(validateSchema(secrets, { spec: base, status: one })).toEqual([]);
      expect(pruneUnknown(secrets, { spec: base, status: one }).pruned).toEqual([]);
    }
    const partials = schemaOf('partialkmsvaultsecrets');
    const used = { spec: { secrets: [] }, status: { created: true, observedGeneration: 1, includedBy: 2 } };
    expect([validateSchema(partials, used), pruneUnknown(partials, used).pruned]).toEqual([[], []]);
  });
});
