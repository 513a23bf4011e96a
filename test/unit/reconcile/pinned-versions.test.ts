import { beforeEach, describe, expect, it } from '@jest/globals';

import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('a pinned version', () => {
  it('is not used up by an incomplete secret', async () => {
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
      includeSecrets: ['missing'],
    });
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    fixture.partial('missing', { secrets: [item('b', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', b: 'two' });
  });

  it.each([
    ['an empty path', 0, undefined],
    ['the version that the pin names', 1, new Map([['a', '"before"']])],
  ])('costs one KMS request per key while an include is missing, at %s', async (_, casIndex, before) => {
    if (before !== undefined) fixture.vault.tamper('secret/data/x', 'v2', before);
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex },
      secrets: [item('a', 'one'), bad('b')],
      includeSecrets: ['missing'],
    });
    await fixture.reconcile('x');
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
    expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    fixture.partial('missing', { secrets: [item('c', 'three')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one', c: 'three' });
  });

  it('is tried again at each resync while a key is denied', async () => {
    fixture.secret('x', {
      kvSettings: { engineVersion: 'v2', casIndex: 0 },
      secrets: [item('a', 'one')],
    });
    fixture.kms.denied.add('one');
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toBeUndefined();
    fixture.kms.denied.clear();
    await fixture.reconcile('x');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'one' });
  });

  it('stays stale without another KMS request', async () => {
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.secret('x', { kvSettings: { engineVersion: 'v2', casIndex: 0 }, secrets: [item('a', 'two')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.ready('x')).toMatchObject({ reason: 'CasIndexStale' });
    const { asked } = fixture.kms;
    await fixture.reconcile('x');
    expect(fixture.kms.asked).toBe(asked);
  });
});
