import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { PARTIAL_REASONS } from '../../../src/api/partial-reasons.js';
import { READY_REASONS } from '../../../src/api/reasons.js';
import type { Resource } from '../../../src/api/resources.js';
import { type Health, healthOf } from '../../support/argocd-health.js';
import { recordedPartials } from '../../support/recorded-partials.js';
import { recordedSecrets, recordedSuspensions } from '../../support/recorded-secrets.js';

interface Recorded {
  readonly state: string;
  readonly reason: string | undefined;
  readonly object: Resource;
}
/** The condition whose message is shown, or the message itself. */
type Expected = readonly [health: string, message: string];

const SCRIPT = readFileSync('manifests/argocd/health.lua', 'utf8');
const WAITING = 'Waiting for kms-vault-operator';

const SECRETS: Readonly<Record<string, Expected>> = {
  'not looked at yet': ['Progressing', WAITING],
  synced: ['Healthy', 'Ready'],
  'edited, and not looked at since': ['Progressing', WAITING],
  'synced, with a key from two sources': ['Healthy', 'Ready'],
  'a key with wrong input': ['Degraded', 'Ready'],
  'a key that an administrator denies': ['Degraded', 'Ready'],
  'a key with wrong input and one that an administrator denies': ['Degraded', 'Ready'],
  'a ciphertext of another namespace': ['Degraded', 'Ready'],
  'a missing include': ['Degraded', 'Ready'],
  'a missing include and a key with wrong input': ['Degraded', 'Ready'],
  'a pinned version that has passed': ['Degraded', 'Ready'],
  'a new resource while KMS is down': ['Progressing', 'Ready'],
  'a change while KMS is down': ['Progressing', 'Ready'],
  'a new resource while Vault is down': ['Progressing', 'Ready'],
  'an outage without a change': ['Healthy', 'Ready'],
  'another engine at the mount': ['Degraded', 'Ready'],
  'a path that Vault denies': ['Degraded', 'Ready'],
  'a path that Vault denies for now': ['Progressing', 'Ready'],
  'a path that an older resource has': ['Degraded', 'Ready'],
  'a path that is not allowed': ['Degraded', 'Ready'],
  'an invalid path': ['Degraded', 'Ready'],
  'an invalid spec': ['Degraded', 'Ready'],
  'deleted while Vault is down': ['Progressing', 'Ready'],
};

const SUSPENSIONS: Readonly<Record<string, Expected>> = {
  'suspended, and written': ['Suspended', 'Suspended'],
  'suspended before it was written': ['Degraded', 'Stalled'],
  'suspended with a change': ['Degraded', 'Stalled'],
  'suspended with an invalid path': ['Degraded', 'Ready'],
  'deleted while it is suspended': ['Progressing', 'Suspended'],
};

const PARTIALS: Readonly<Record<string, Expected>> = {
  'not looked at yet': ['Progressing', WAITING],
  'included by nobody': ['Healthy', 'Ready'],
  included: ['Healthy', 'Ready'],
  'a value that is not base64': ['Degraded', 'Ready'],
  'an invalid spec': ['Degraded', 'Ready'],
  'a value that KMS refuses to a resource that includes it': ['Degraded', 'Ready'],
  'being withdrawn while Vault is down': ['Progressing', 'Ready'],
  'kept by a finalizer of another controller': ['Progressing', 'Ready'],
};

describe.each<[string, () => Promise<readonly Recorded[]>, Readonly<Record<string, Expected>>, string[]]>([
  ['a KMSVaultSecret', recordedSecrets, SECRETS, [...READY_REASONS]],
  ['a suspended KMSVaultSecret', recordedSuspensions, SUSPENSIONS, []],
  ['a PartialKMSVaultSecret', recordedPartials, PARTIALS, Object.keys(PARTIAL_REASONS)],
])('the health of %s in Argo CD', (_, record, expected, reasons) => {
  let recorded: readonly Recorded[];

  beforeAll(async () => {
    recorded = await record();
  });

  it('is known for every state and reason', () => {
    expect(recorded.map(({ state }) => state)).toEqual(Object.keys(expected));
    const seen = new Set(recorded.map(({ reason }) => reason));
    expect(reasons.filter((reason) => !seen.has(reason))).toEqual([]);
  });

  it.each(Object.entries(expected))('of one %s', (state, [health, source]) => {
    const object = recorded.find((one) => one.state === state)?.object ?? {};
    const conditions = (object as Partial<Resource>).status?.conditions ?? [];
    const message = conditions.find(({ type }) => type === source)?.message ?? source;
    expect(message).not.toMatch(/^(?:Ready|Suspended|Stalled)$/);
    expect(healthOf(SCRIPT, object)).toEqual({ status: health, message });
  });
});

describe('the health of a resource in Argo CD', () => {
  const of = (status?: object, metadata: object = {}): Health =>
    healthOf(SCRIPT, { metadata: { generation: 2, ...metadata }, spec: {}, status });
  const ready = { type: 'Ready', status: 'True', reason: 'Synced', message: 'all is written' };

  it.each<[string, object | undefined]>([
    ['without a status', undefined],
    ['with the status of a program that told no generation', { created: true, conditions: [ready] }],
    ['with the status of the generation before', { observedGeneration: 1, conditions: [ready] }],
    ['without conditions', { observedGeneration: 2 }],
    ['with conditions of others only', { observedGeneration: 2, conditions: [{ ...ready, type: 'Other' }] }],
  ])('waits for the operator %s', (_, status) => {
    expect(of(status)).toEqual({ status: 'Progressing', message: WAITING });
  });

  it.each(['Stalled', 'Reconciling', 'Suspended'])('does not depend on a %s that is False', (type) => {
    const conditions = [{ ...ready, type, status: 'False' }, ready];
    expect(of({ observedGeneration: 2, conditions })).toEqual({ status: 'Healthy', message: ready.message });
  });

  it('is never taken from a resource that is being deleted', () => {
    expect(of(undefined, { deletionTimestamp: '2026-01-01T00:00:00Z' })).toEqual({
      status: 'Progressing',
      message: 'Pending deletion',
    });
  });

  it.each([
    ['error("x")', 'x'],
    ['return 1', 'did not return one table'],
    ['return {}', 'status is not a string'],
    ['return string.rep("x", 2)', 'string'],
    ['x x', 'syntax error'],
  ])('is told by a script that runs: %s', (script, message) => {
    expect(() => healthOf(script, {})).toThrow(message);
  });
});
