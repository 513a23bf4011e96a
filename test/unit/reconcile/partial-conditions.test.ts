import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND } from '../../../src/api/group.js';
import { PARTIAL_REASONS } from '../../../src/api/partial-reasons.js';
import { RequiredContext } from '../../../src/api/required-context.js';
import type { Condition, PartialKMSVaultSecret } from '../../../src/api/resources.js';
import { type KStatus, kstatusOf } from '../../support/kstatus.js';
import { type RecordedPartial, recordedPartials } from '../../support/recorded-partials.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

/** State, verdict of kstatus, the condition beside `Ready`, and the message of `Ready`. */
const EXPECTED: Readonly<Record<string, readonly [KStatus, string | undefined, string | undefined]>> = {
  'not looked at yet': ['InProgress', undefined, undefined],
  'included by nobody': ['Current', undefined, 'Included by no KMSVaultSecret'],
  included: ['Current', undefined, 'Included by 1 KMSVaultSecret'],
  'a value that is not base64': ['Failed', 'Stalled: Invalid', 'key odd: encryptedSecret is not base64'],
  'an invalid spec': ['Failed', 'Stalled: Invalid', 'spec.secrets[1].key is listed twice'],
  'a value that KMS refuses to a resource that includes it': [
    'Failed',
    'Stalled: Invalid',
    'key bad: InvalidCiphertext in app',
  ],
  'being withdrawn while Vault is down': [
    'Terminating',
    'Reconciling: Withdrawing',
    'Its keys are being removed from Vault; it is included by 1 KMSVaultSecret',
  ],
  'kept by a finalizer of another controller': [
    'Terminating',
    'Reconciling: Withdrawing',
    'It is being deleted and counts as missing; another finalizer than that of the operator keeps it',
  ],
};

describe('the conditions of a PartialKMSVaultSecret', () => {
  let recorded: ReadonlyMap<string, RecordedPartial>;

  beforeAll(async () => {
    recorded = new Map((await recordedPartials()).map((one) => [one.state, one]));
  });

  const of = (state: string): PartialKMSVaultSecret => {
    const found = recorded.get(state);
    if (found === undefined) throw new Error(`no object: ${state}`);
    return found.object;
  };

  it('are recorded for every reason', () => {
    expect([...recorded.keys()]).toEqual(Object.keys(EXPECTED));
    const reasons = new Set([...recorded.values()].map(({ reason }) => reason));
    expect(Object.keys(PARTIAL_REASONS).filter((reason) => !reasons.has(reason as never))).toEqual([]);
  });

  it.each(Object.entries(EXPECTED))('of one %s', (state, [verdict, progress, message]) => {
    const object = of(state);
    expect(kstatusOf(object)).toBe(verdict);
    const [ready, ...others] = object.status?.conditions ?? [];
    const { reason } = recorded.get(state) ?? {};
    expect([ready?.reason, ready?.message]).toEqual([reason, message]);
    expect(ready?.status).toBe(
      reason === undefined ? undefined : PARTIAL_REASONS[reason].ready ? 'True' : 'False',
    );
    expect(others.map(({ type, status, reason: why }) => [status, `${type}: ${why}`])).toEqual(
      progress === undefined ? [] : [['True', progress]],
    );
  });
});

describe('a partial and what its includers find', () => {
  let fixture: ReconcileFixture;

  beforeEach(() => {
    fixture = new ReconcileFixture();
  });

  const ready = (): Condition | undefined =>
    fixture.cache.partial('default', 'shared')?.status?.conditions?.find(({ type }) => type === 'Ready');
  const isQueued = (): boolean => [...fixture.requeued.values()].some(({ key }) => key.name === 'shared');

  /** The includer is synced, and then the partial if that asked for it. */
  async function synced(): Promise<boolean> {
    fixture.requeued.clear();
    await fixture.reconcile('app', 'edit');
    const queued = isQueued();
    if (queued) await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    return queued;
  }

  it('says Invalid once an includer has found it, and Valid once one has found it mended', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one'), bad('b')] });
    fixture.secret('app', { includeSecrets: ['shared'] });
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(ready()?.reason).toBe('Valid');
    expect(await synced()).toBe(true);
    expect(ready()).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      message: 'key b: InvalidCiphertext in app',
    });
    fixture.partial('shared', { secrets: [item('a', 'one'), item('b', 'two')] });
    // What was found in the former version says nothing about this one.
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(ready()).toMatchObject({ status: 'True', reason: 'Valid' });
    await synced();
    expect(ready()).toMatchObject({ status: 'True', reason: 'Valid' });
  });

  it('says Invalid again for an edit that mends nothing', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one'), bad('b')] });
    fixture.secret('app', { includeSecrets: ['shared'] });
    await synced();
    fixture.partial('shared', { secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(await synced()).toBe(true);
    expect(ready()).toMatchObject({ reason: 'Invalid', observedGeneration: 2 });
  });

  it('says Valid once another partial defines the value that was refused', async () => {
    fixture.partial('shared', { secrets: [bad('b')] });
    fixture.secret('app', { includeSecrets: ['shared'] });
    await synced();
    expect(ready()?.reason).toBe('Invalid');
    fixture.partial('later', { secrets: [item('b', 'two')] });
    fixture.secret('app', { includeSecrets: ['shared', 'later'] });
    expect(await synced()).toBe(true);
    expect(ready()?.reason).toBe('Valid');
    expect(await synced()).toBe(false);
  });

  it('says Invalid if the context of a value is not allowed, and is asked once', async () => {
    const partial = [{ name: 'namespace', value: '{{namespace}}' }];
    fixture.requiredContext = RequiredContext.of({
      mode: 'enforce',
      own: [],
      partial,
      exemptNamespaces: [],
    });
    fixture.restart();
    fixture.partial('shared', { secrets: [item('b', 'one')] });
    fixture.secret('app', { includeSecrets: ['shared'], secrets: [item('a', 'one')] });
    expect(await synced()).toBe(true);
    expect(ready()).toMatchObject({ reason: 'Invalid', message: 'key b: ContextNotAllowed in app' });
    expect(await synced()).toBe(false);
  });

  it('is not asked again while the includer finds the same, and costs no patch', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one'), bad('b')] });
    fixture.secret('app', { includeSecrets: ['shared'] });
    await synced();
    const { statusPatches } = fixture;
    expect(await synced()).toBe(false);
    await fixture.reconcile('shared', 'resync', PARTIAL_KIND);
    expect(fixture.statusPatches).toBe(statusPatches);
  });

  it('keeps its status after a restart, also while Vault is down', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one'), bad('b')] });
    fixture.secret('app', { includeSecrets: ['shared'] });
    await synced();
    fixture.restart();
    fixture.vault.down = true;
    const { statusPatches } = fixture;
    await fixture.reconcile('shared', 'resync', PARTIAL_KIND);
    await fixture.reconcile('app', 'resync');
    await fixture.reconcile('shared', 'resync', PARTIAL_KIND);
    expect(ready()?.reason).toBe('Invalid');
    expect(fixture.statusPatches).toBe(statusPatches);
  });

  it('does not answer for keys of others, nor for what an administrator denies', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one'), item('denied', 'no')] });
    fixture.kms.denied.add('no');
    fixture.secret('app', { secrets: [bad('own')], includeSecrets: ['shared'] });
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    await synced();
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(ready()).toMatchObject({ status: 'True', reason: 'Valid' });
  });

  it('shows the first problems, and how many there are', async () => {
    const odd = Array.from({ length: 7 }, (_, index) => ({ key: `k${String(index)}`, encryptedSecret: '%' }));
    fixture.partial('shared', { secrets: odd });
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(ready()?.message).toMatch(/^key k0: .*; key k4: encryptedSecret is not base64; and 2 more$/);
  });

  it('goes at once when nobody has its keys, without a patch of its status', async () => {
    fixture.partial('shared', { secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    const { statusPatches } = fixture;
    fixture.delete(PARTIAL_KIND, 'shared');
    await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
    expect(fixture.cache.partial('default', 'shared')).toBeUndefined();
    expect(fixture.statusPatches).toBe(statusPatches);
  });
});
