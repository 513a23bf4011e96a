import { beforeEach, describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND } from '../../../src/api/group.js';
import { RequiredContext } from '../../../src/api/required-context.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES, item, pathFor } from './items.js';

const OF_X = { namespace: 'default', name: 'x' };
const NAMESPACE = { namespace: 'default' };
const FOREIGN = { namespace: 'other', name: 'x' };

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

function startWith(mode: 'audit' | 'enforce' | 'off', exemptNamespaces: readonly string[] = []): void {
  const partial = [{ name: 'namespace', value: '{{namespace}}' }];
  const own = [...partial, { name: 'name', value: '{{name}}' }];
  fixture.requiredContext =
    mode === 'off' ? RequiredContext.none : RequiredContext.of({ mode, own, partial, exemptNamespaces });
  fixture.restart();
}

/** An item with its own context. */
function bound(key: string, value: string, secretContext: Readonly<Record<string, string>>): object {
  return { ...item(key, value, secretContext), secretContext };
}

function with2(good: object, foreign: object): never {
  return [good, foreign] as never;
}

async function violations(): Promise<unknown> {
  return (await fixture.metrics.contextViolations.get()).values;
}

describe('a ciphertext without the required context', () => {
  it.each(ENGINES)(
    'is not decrypted on %s: its value in Vault stays, the rest is written',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      fixture.vault.tamper(path, engineVersion, new Map([['stolen', '12345678901234567890']]));
      startWith('enforce');
      const secrets = with2(bound('a', 'one', OF_X), bound('stolen', 'theirs', FOREIGN));
      fixture.secret('x', { path, kvSettings: { engineVersion }, secrets });
      await fixture.reconcile('x');
      expect(fixture.kms.asked).toBe(1);
      expect([...(fixture.vault.peek(path, engineVersion) ?? [])].sort()).toEqual([
        ['a', '"one"'],
        ['stolen', '12345678901234567890'],
      ]);
      const message =
        'key stolen: its encryption context has namespace=other instead of namespace=default, required by --required-context';
      expect(fixture.ready('x')).toMatchObject({ status: 'False', reason: 'ContextNotAllowed', message });
      expect(fixture.cache.secret('default', 'x')?.status).toMatchObject({
        keys: '1/2',
        failedKeys: [{ key: 'stolen', reason: 'ContextNotAllowed' }],
      });
      expect(fixture.messages('ContextNotAllowed')).toEqual([message]);
      expect(fixture.reasons()).not.toContain('DecryptingError');
    },
  );

  it('is shown before what KMS rejects, which the message tells as well', async () => {
    startWith('enforce');
    const wrong = { ...item('wrong', 'x', { no: 'way' }), secretContext: OF_X };
    fixture.secret('x', { secrets: with2(bound('stolen', 'theirs', FOREIGN), wrong) });
    await fixture.reconcile('x');
    expect(fixture.ready('x')).toMatchObject({
      reason: 'ContextNotAllowed',
      message: expect.stringMatching(/^key stolen: .*; also: key wrong: failed with InvalidCiphertext/),
    });
    expect(fixture.reasons()).toEqual(expect.arrayContaining(['ContextNotAllowed', 'DecryptingError']));
  });

  it('writes nothing when it is all that there is, and asks KMS nothing', async () => {
    startWith('enforce');
    fixture.secret('x', { secrets: [bound('stolen', 'theirs', FOREIGN)] as never });
    await fixture.reconcile('x');
    expect([fixture.kms.asked, fixture.vault.writes]).toEqual([0, 0]);
    expect(fixture.cache.secret('default', 'x')?.status?.created).toBeUndefined();
  });

  it('is judged by the context that counts: of the item, else of its resource', async () => {
    startWith('enforce');
    fixture.secret('x', {
      secretContext: OF_X,
      secrets: [
        item('mine', 'one', OF_X),
        bound('other', 'two', FOREIGN),
        { key: 'empty', emptySecret: true },
      ] as never,
    });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ mine: 'one', empty: '' });
    expect(fixture.ready('x')?.reason).toBe('ContextNotAllowed');
  });

  it('takes part in a pinned version, like wrong input', async () => {
    startWith('enforce');
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: with2(bound('a', 'one', OF_X), bound('stolen', 'theirs', FOREIGN)),
    });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('is allowed in an exempt namespace', async () => {
    startWith('enforce', ['default']);
    fixture.secret('x', { secrets: [bound('stolen', 'theirs', FOREIGN)] as never });
    await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    expect(await violations()).toEqual([]);
  });
});

describe('an included item', () => {
  it('needs the pairs of partials only, from itself, its partial or the including resource', async () => {
    startWith('enforce');
    fixture.partial('own', { secretContext: NAMESPACE, secrets: [item('own', '1', NAMESPACE)] });
    fixture.partial('item', { secrets: [bound('item', '2', NAMESPACE)] as never });
    fixture.partial('includer', { secrets: [item('includer', '3', OF_X)] });
    fixture.partial('foreign', { secretContext: FOREIGN, secrets: [item('foreign', '4', FOREIGN)] });
    fixture.secret('x', { secretContext: OF_X, includeSecrets: ['own', 'item', 'includer', 'foreign'] });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ own: '1', item: '2', includer: '3' });
    expect(fixture.ready('x')).toMatchObject({
      reason: 'ContextNotAllowed',
      message: expect.stringContaining('required by --required-partial-context'),
    });
  });

  it("falls back to the including resource's context only if that is allowed, too", async () => {
    fixture.partial('shared', { secretContext: NAMESPACE, secrets: [item('a', 'one', { theirs: '1' })] });
    fixture.secret('x', { secretContext: { theirs: '1' }, includeSecrets: ['shared'] });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    startWith('enforce');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked + 1);
    expect(fixture.ready('x')?.reason).toBe('DecryptionFailed');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
    fixture.partial('shared', { secretContext: NAMESPACE, secrets: [item('a', 'two', OF_X)] });
    fixture.secret('x', { secretContext: OF_X, includeSecrets: ['shared'] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two' });
  });
});

describe('a change of the flags', () => {
  it('withdraws what a status vouches for, and gives it back; values in Vault stay', async () => {
    fixture.secret('x', { secrets: with2(bound('a', 'one', OF_X), bound('stolen', 'theirs', FOREIGN)) });
    await fixture.reconcile('x');
    const { writes } = fixture.vault;
    startWith('enforce');
    await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('ContextNotAllowed');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', stolen: 'theirs' });

    // The refusal itself is vouched for: a restart with the same flags asks KMS nothing.
    const { asked } = fixture.kms;
    fixture.restart();
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    expect(fixture.ready('x')?.reason).toBe('ContextNotAllowed');

    startWith('off');
    await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    expect(fixture.vault.writes).toBe(writes);
  });

  it('repairs no drift of a key that is refused now', async () => {
    fixture.secret('x', { secrets: with2(bound('a', 'one', OF_X), bound('stolen', 'theirs', FOREIGN)) });
    await fixture.reconcile('x');
    startWith('enforce');
    await fixture.reconcile('x');
    const changed = [
      ['a', '"drift"'],
      ['stolen', '"by hand"'],
    ] as const;
    fixture.vault.tamper('secret/data/x', 'v2', new Map(changed));
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', stolen: 'by hand' });
  });

  it('costs no request for a resource that conforms', async () => {
    fixture.secret('x', { secrets: [bound('a', 'one', OF_X)] as never });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    startWith('enforce');
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
  });
});

describe('the mode audit', () => {
  it('syncs as without it, warns by an event, and costs no further request', async () => {
    fixture.secret('x', { secrets: with2(bound('a', 'one', OF_X), bound('stolen', 'theirs', FOREIGN)) });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    startWith('audit');
    await fixture.reconcile('x');
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    expect(fixture.ready('x')).toMatchObject({ status: 'True', reason: 'Synced' });
    expect(fixture.messages('ContextNotAllowed')).toEqual([
      expect.stringMatching(/^key stolen: .*namespace=other.*; synced all the same, because .* is audit$/),
    ]);
  });
});

describe('context_violations_total', () => {
  it.each(['audit', 'enforce'] as const)(
    'counts each ciphertext once in the mode %s, not at every resync',
    async (mode) => {
      startWith(mode);
      const before = [bound('a', 'one', FOREIGN), bound('b', 'two', FOREIGN)] as never;
      fixture.secret('x', { secrets: before });
      for (let time = 0; time < 3; time += 1) await fixture.reconcile('x');
      expect(await violations()).toEqual([{ labels: { mode }, value: 2 }]);
      fixture.secret('x', { secrets: [bound('a', 'one', FOREIGN), bound('b', 'new', FOREIGN)] as never });
      await fixture.reconcile('x', 'edit');
      expect(await violations()).toEqual([{ labels: { mode }, value: 3 }]);
    },
  );
});

describe('a partial with a ciphertext that is refused', () => {
  const partialReady = (): unknown =>
    fixture.cache.partial('default', 'shared')?.status?.conditions?.find(({ type }) => type === 'Ready');

  /** Syncs the includer, and the partial if that asked for it. */
  async function synced(): Promise<boolean> {
    fixture.requeued.clear();
    await fixture.reconcile('x', 'edit');
    const isQueued = [...fixture.requeued.values()].some(({ key }) => key.name === 'shared');
    if (isQueued) await fixture.reconcile('shared', 'resync', PARTIAL_KIND);
    return isQueued;
  }

  it('is Invalid until it is allowed, and is not asked again while the includer finds the same', async () => {
    startWith('enforce');
    fixture.partial('shared', { secretContext: FOREIGN, secrets: [item('a', 'one', FOREIGN)] });
    fixture.secret('x', { secrets: [bound('b', 'two', OF_X)] as never, includeSecrets: ['shared'] });
    expect(await synced()).toBe(true);
    expect(partialReady()).toMatchObject({
      status: 'False',
      reason: 'Invalid',
      message: 'key a: ContextNotAllowed in x',
    });
    expect(await synced()).toBe(false);
    startWith('enforce', ['default']);
    expect(await synced()).toBe(true);
    expect(partialReady()).toMatchObject({ status: 'True', reason: 'Valid' });
  });
});
