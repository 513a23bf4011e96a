import { beforeEach, describe, expect, it } from '@jest/globals';

import { VaultError } from '../../../src/vault/vault-error.js';
import { READ, SessionFixture } from './session-fixture.js';

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

describe('VaultSession after HTTP 403', () => {
  it('replaces a revoked token with one login for 100 requests, and sends each once more', async () => {
    const session = await fixture.startedAMinuteAgo();
    fixture.vault.dead.add('t1');
    const answers = await Promise.all(Array.from({ length: 100 }, () => session.request(READ)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(fixture.authenticator.logins).toBe(2);
    expect(fixture.vault.count('token_lookup')).toBe(1);
    expect(fixture.vault.count('read')).toBe(200);
  });

  it('keeps a valid token when one path is forbidden', async () => {
    const session = await fixture.started();
    fixture.vault.forbidden.add('kv/secret');
    for (let round = 0; round < 3; round += 1) {
      expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    }
    expect(fixture.authenticator.logins).toBe(1);
    expect((await session.request(READ)).status).toBe(200);
  });

  it.each([
    ['may not look itself up', true],
    ['is known since the login to lack it', false],
  ])('tells a missing permission from a revoked token that %s', async (_what, mayLookUp) => {
    fixture.vault.lookUpAllowed = false;
    fixture.authenticator.token = { mayLookUp };
    const session = await fixture.startedAMinuteAgo();
    fixture.vault.forbidden.add('kv/secret');
    expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    expect(fixture.authenticator.logins).toBe(1);
    fixture.vault.dead.add('t1');
    expect((await session.request(READ)).status).toBe(200);
    expect(fixture.authenticator.logins).toBe(2);
  });

  it('returns the second 403 when the new token is not allowed either', async () => {
    const session = await fixture.startedAMinuteAgo();
    fixture.vault.dead.add('t1');
    fixture.vault.forbidden.add('kv/secret');
    expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    expect(fixture.authenticator.logins).toBe(2);
  });

  it('does not treat an unanswered look-up as a revoked token', async () => {
    const session = await fixture.started();
    fixture.vault.forbidden.add('kv/secret');
    const lookedAt = session.request({ ...READ, path: 'kv/secret' });
    await Promise.resolve();
    fixture.vault.isDown = true;
    await expect(lookedAt).rejects.toBeInstanceOf(VaultError);
    fixture.vault.isDown = false;
    await session.request(READ);
    expect(fixture.authenticator.logins).toBe(1);
  });
});
