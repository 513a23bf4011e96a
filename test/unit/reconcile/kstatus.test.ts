import { beforeAll, describe, expect, it } from '@jest/globals';

import { READY_REASONS, REASONS } from '../../../src/api/reasons.js';
import type { Condition, KMSVaultSecret } from '../../../src/api/resources.js';
import { isWrongInput, KmsError } from '../../../src/kms/kms-error.js';
import { classifyKmsFailure, KNOWN_KMS_ERRORS } from '../../../src/kms/kms-failures.js';
import { withConditions } from '../../../src/reconcile/conditions.js';
import { type KStatus, kstatusOf } from '../../support/kstatus.js';
import { type RecordedSecret, recordedSecrets } from '../../support/recorded-secrets.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

/** State, verdict of kstatus, and the condition beside `Ready` with its reason. */
const EXPECTED: Readonly<Record<string, readonly [KStatus, string | undefined]>> = {
  'not looked at yet': ['InProgress', undefined],
  synced: ['Current', undefined],
  'edited, and not looked at since': ['InProgress', undefined],
  'synced, with a key from two sources': ['Current', undefined],
  'a key with wrong input': ['Failed', 'Stalled: DecryptionFailed'],
  'a key that an administrator denies': ['InProgress', undefined],
  'a key with wrong input and one that an administrator denies': ['Failed', 'Stalled: DecryptionFailed'],
  'a ciphertext of another namespace': ['Failed', 'Stalled: ContextNotAllowed'],
  'a missing include': ['InProgress', undefined],
  'a missing include and a key with wrong input': ['Failed', 'Stalled: DecryptionFailed'],
  'a pinned version that has passed': ['Failed', 'Stalled: CasIndexStale'],
  'a new resource while KMS is down': ['InProgress', 'Reconciling: KmsUnavailable'],
  'a change while KMS is down': ['InProgress', 'Reconciling: KmsUnavailable'],
  'a new resource while Vault is down': ['InProgress', 'Reconciling: VaultUnavailable'],
  'an outage without a change': ['Current', undefined],
  'another engine at the mount': ['Failed', 'Stalled: EngineMismatch'],
  'a path that Vault denies': ['InProgress', undefined],
  'a path that Vault denies for now': ['InProgress', 'Reconciling: VaultForbidden'],
  'a path that an older resource has': ['Failed', 'Stalled: PathConflict'],
  'a path that is not allowed': ['Failed', 'Stalled: PathNotAllowed'],
  'an invalid path': ['Failed', 'Stalled: InvalidPath'],
  'an invalid spec': ['Failed', 'Stalled: InvalidSpec'],
  'deleted while Vault is down': ['Terminating', 'Reconciling: Deleting'],
};

const KSTATUS = ['Reconciling', 'Stalled'];

describe('the conditions of a KMSVaultSecret', () => {
  let recorded: ReadonlyMap<string, RecordedSecret>;

  beforeAll(async () => {
    recorded = new Map((await recordedSecrets()).map((one) => [one.state, one]));
  });

  const of = (state: string): KMSVaultSecret => {
    const found = recorded.get(state);
    if (found === undefined) throw new Error(`no object: ${state}`);
    return found.object;
  };
  const condition = (state: string, type: string): Condition | undefined =>
    of(state).status?.conditions?.find((known) => known.type === type);

  it('are recorded for every reason', () => {
    expect([...recorded.keys()]).toEqual(Object.keys(EXPECTED));
    const reasons = [...recorded.values()].map(({ reason }) => reason);
    expect(READY_REASONS.filter((reason) => !reasons.includes(reason))).toEqual([]);
  });

  describe.each(Object.entries(EXPECTED))('of %s', (state, [verdict, progress]) => {
    it(`are ${verdict} for kstatus, with ${progress ?? 'neither Reconciling nor Stalled'}`, () => {
      expect(kstatusOf(of(state))).toBe(verdict);
      const found = (of(state).status?.conditions ?? []).filter(({ type }) => KSTATUS.includes(type));
      expect(found.map(({ type, status, reason }) => [status, `${type}: ${reason}`])).toEqual(
        progress === undefined ? [] : [['True', progress]],
      );
    });

    it('have the recorded reason and one generation', () => {
      const { metadata, status } = of(state);
      expect(condition(state, 'Ready')?.reason).toBe(recorded.get(state)?.reason);
      const seen = (status?.conditions ?? []).map(({ observedGeneration }) => observedGeneration);
      expect(new Set([...seen, status?.observedGeneration]).size).toBe(1);
      expect(status?.observedGeneration).toBeLessThanOrEqual(metadata.generation ?? 0);
    });
  });

  it('say what stalls, beside what may pass', () => {
    const ready = condition('a missing include and a key with wrong input', 'Ready')?.message ?? '';
    const stalled = condition('a missing include and a key with wrong input', 'Stalled')?.message ?? '';
    expect(stalled).toMatch(/^key b: /);
    expect(ready).toBe(
      `PartialKMSVaultSecret missing not found in this namespace; keys already in Vault are kept; also: ${stalled}`,
    );
  });
});

describe('Reconciling and Stalled', () => {
  const types = (fixture: ReconcileFixture): string[] =>
    (fixture.cache.secret('default', 'x')?.status?.conditions ?? []).map(({ type }) => type);

  it('go as soon as their cause has gone, and cost no patch of their own', async () => {
    const fixture = new ReconcileFixture();
    fixture.kms.down = true;
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready', 'Reconciling']);
    expect(fixture.statusPatches).toBe(1);
    await fixture.reconcile('x');
    expect(fixture.statusPatches).toBe(1);
    fixture.kms.down = false;
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready']);
    // The claim before the first write, and the result.
    expect(fixture.statusPatches).toBe(3);
    fixture.secret('x', { secrets: [bad('a')] });
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready', 'Stalled']);
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready']);
    expect(fixture.statusPatches).toBe(5);
  });

  it('are not written by an ordinary sync, which patches once', async () => {
    const fixture = new ReconcileFixture();
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    const { statusPatches } = fixture;
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.statusPatches).toBe(statusPatches + 1);
    await fixture.reconcile('x');
    expect(fixture.statusPatches).toBe(statusPatches + 1);
  });

  it('come back as they were when a change that waited is reverted', async () => {
    const fixture = new ReconcileFixture();
    const wrong = { secrets: [item('a', 'one'), bad('b')] };
    fixture.secret('x', wrong);
    await fixture.reconcile('x');
    fixture.vault.down = true;
    fixture.secret('x', { secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready', 'Reconciling']);
    fixture.secret('x', wrong);
    await fixture.reconcile('x');
    expect(types(fixture)).toEqual(['Ready', 'Stalled']);
  });
});

describe('withConditions', () => {
  const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  const waiting = { reason: 'VaultUnavailable', message: 'down' };

  it('keeps conditions of other types, and the time of one that stays', () => {
    const ready = { status: 'False', ...waiting } as const;
    const foreign = {
      type: 'Foreign',
      status: 'True',
      reason: 'A',
      message: '',
      lastTransitionTime: 'then',
    } as const;
    const progress = { type: 'Reconciling', ...waiting } as const;
    const first = withConditions([foreign], { ready, progress }, { generation: 1, now: at(1) });
    const second = withConditions(
      first,
      { ready, progress: { ...progress, reason: 'KmsUnavailable' } },
      { generation: 2, now: at(2) },
    );
    expect(second.map(({ type, reason, lastTransitionTime }) => [type, reason, lastTransitionTime])).toEqual([
      ['Foreign', 'A', 'then'],
      ['Ready', 'VaultUnavailable', '2026-01-01T00:00:01Z'],
      ['Reconciling', 'KmsUnavailable', '2026-01-01T00:00:01Z'],
    ]);
    const stalled = withConditions(
      second,
      { ready, progress: { type: 'Stalled', ...waiting } },
      { generation: 2, now: at(3) },
    );
    expect(stalled.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]).slice(1)).toEqual([
      ['Ready', '2026-01-01T00:00:01Z'],
      ['Stalled', '2026-01-01T00:00:03Z'],
    ]);
  });
});

describe('the table of reasons', () => {
  it('lets only what is not ready wait or stall, and retries soon exactly what waits', () => {
    for (const reason of READY_REASONS) {
      const { ready, retry, progress } = REASONS[reason];
      if (ready) expect([reason, progress]).toEqual([reason, 'none']);
      expect([reason, progress === 'Reconciling']).toEqual([reason, retry === 'soon']);
    }
  });

  it('takes for wrong input exactly the codes of failures that no retry can help', () => {
    const failures = [...KNOWN_KMS_ERRORS, 'ValidationException', 'ThrottlingException'].map((name) =>
      classifyKmsFailure({ name }),
    );
    const found = [...failures, ...['NotBase64', 'InvalidLength', 'NotUtf8'].map(wrongInput)];
    for (const { code, isFinal } of found) expect([code, isWrongInput(code)]).toEqual([code, isFinal]);
  });
});

function wrongInput(code: string): KmsError {
  return new KmsError('wrong-input', code, '');
}
