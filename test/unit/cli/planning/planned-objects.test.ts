import { describe, expect, it } from '@jest/globals';

import { API_VERSION, SECRET_KIND } from '../../../../src/api/group.js';
import type { KMSVaultSecret, ObjectMeta, Resource } from '../../../../src/api/resources.js';
import { appliedObject } from '../../../../src/cli/planning/planned-objects.js';
import { declared } from './plan-fixture.js';

const NOW = new Date('2027-01-01T00:00:00.500Z');
const SPEC = { path: 'secret/data/web', kvSettings: { engineVersion: 'v2' as const }, secrets: [] };
const STATUS = { created: true, path: 'secret/data/web' };

function live(metadata: Partial<ObjectMeta> = {}): KMSVaultSecret {
  return {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: {
      name: 'web',
      namespace: 'default',
      uid: 'uid-1',
      resourceVersion: '7',
      generation: 3,
      creationTimestamp: '2026-01-01T00:00:00Z',
      finalizers: ['a'],
      ...metadata,
    },
    spec: { ...SPEC },
    status: STATUS,
  };
}

const applied = (
  existing: Resource | 'unknown' | undefined,
  spec: unknown = SPEC,
  metadata: Readonly<Record<string, unknown>> = {},
): Resource => appliedObject(declared(SECRET_KIND, 'web', spec, metadata), existing, NOW);

const lastApplied = (metadata: object): Record<string, string> => ({
  'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ metadata }),
});

describe('an object after its file is applied', () => {
  it('keeps identity, age and status, and gets a new generation with another spec only', () => {
    expect(applied(live())).toMatchObject({
      metadata: { uid: 'uid-1', generation: 3, creationTimestamp: '2026-01-01T00:00:00Z' },
      status: STATUS,
    });
    const edited = { ...SPEC, path: 'secret/data/other' };
    expect(applied(live(), edited)).toMatchObject({
      spec: edited,
      metadata: { generation: 4 },
      status: STATUS,
    });
  });

  it('is new when the cluster does not have it, whatever the file says of its status', () => {
    const file = declared(SECRET_KIND, 'web', SPEC);
    const copied = { ...file, object: { ...file.object, status: STATUS } };
    const object = appliedObject(copied, undefined, NOW);
    expect(object).toMatchObject({ metadata: { generation: 1, creationTimestamp: '2027-01-01T01:00:00Z' } });
    expect(object.status).toBeUndefined();
    expect(applied(undefined).metadata.uid).not.toBe(applied(undefined).metadata.uid);
  });

  it('is what the file says when the cluster is not asked', () => {
    const { metadata, spec, status } = live({ deletionTimestamp: '2026-02-01T00:00:00Z' });
    const file = { ...declared(SECRET_KIND, 'web', spec), object: { metadata, spec, status } };
    expect(appliedObject(file, 'unknown', NOW)).toMatchObject({
      metadata: { uid: 'uid-1', generation: 3, deletionTimestamp: '2026-02-01T00:00:00Z', finalizers: ['a'] },
      status: STATUS,
    });
  });

  it.each([
    ['the list of the file', live(), { finalizers: ['b'] }, ['b']],
    ['those of the cluster without a list in the file', live(), {}, ['a']],
    [
      'none when the last apply set them',
      live({ annotations: lastApplied({ finalizers: ['a'] }) }),
      {},
      undefined,
    ],
    ['those that others added', live({ annotations: lastApplied({}) }), {}, ['a']],
  ])('has as finalizers %s', (_what, existing, metadata, expected) => {
    expect(applied(existing, SPEC, metadata).metadata.finalizers).toEqual(expected);
  });
});
