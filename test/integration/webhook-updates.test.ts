import { describe, expect, it } from '@jest/globals';

import { deleteOf, updateOf, fixture, useWebhook } from './webhook-fixture.js';

const V1 = { engineVersion: 'v1' };
useWebhook();

describe('the webhook, asked about a change', () => {
  it('decrypts only items with a new ciphertext or effective context', async () => {
    const kept = { key: 'kept', encryptedSecret: 'stored long ago' };
    const before = {
      path: 'kv/app',
      kvSettings: V1,
      secretContext: { env: 'dev' },
      secrets: [
        kept,
        { key: 'own', secretContext: { b: '2', a: '1' }, encryptedSecret: 'stored before, too' },
        { key: 'hidden', emptySecret: true, encryptedSecret: 'never looked at' },
      ],
    };
    const added = { key: 'new', encryptedSecret: fixture.encrypt('x', { env: 'dev' }) };
    const answer = await fixture.review(
      updateOf(before, { ...before, secrets: [...before.secrets, added].reverse() }),
    );
    expect(answer.allowed).toBe(true);
    expect(fixture.kms.decrypts).toBe(1);
    const moved = await fixture.review(updateOf(before, { ...before, secretContext: { env: 'prod' } }));
    expect(moved.status.message).toMatch(/key "kept": encryptedSecret is not base64/);
    expect(moved.status.message).not.toContain('own');
    const shown = { key: 'hidden', encryptedSecret: 'never looked at' };
    const uncovered = await fixture.review(updateOf(before, { ...before, secrets: [kept, shown] }));
    expect(uncovered.status.message).toMatch(/key "hidden": encryptedSecret is not base64/);
  });

  it('allows changes of metadata, deletions and the end of a deletion without KMS', async () => {
    const bad = {
      path: 'sys/x',
      kvSettings: V1,
      secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('x') }],
    };
    const reordered = { secrets: bad.secrets, kvSettings: V1, path: 'sys/x' };
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const allowed = { uid: expect.any(String), allowed: true };
    expect(await fixture.review(updateOf(bad, reordered, 'KMSVaultSecret', { labels: { a: 'b' } }))).toEqual(
      allowed,
    );
    expect(await fixture.review(deleteOf(bad))).toEqual(allowed);
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    const changed = updateOf(bad, { ...bad, path: 'sys/y' }, 'KMSVaultSecret', { deletionTimestamp });
    expect(await fixture.review(changed)).toEqual(allowed);
    expect(
      await fixture.review({ ...updateOf(bad, { ...bad, path: 'sys/y' }), subResource: 'status' }),
    ).toEqual(allowed);
    expect(fixture.kms.requests.all).toHaveLength(0);
  });
});
