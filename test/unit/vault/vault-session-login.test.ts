import { beforeEach, describe, expect, it } from '@jest/globals';

import { VaultError } from '../../../src/vault/vault-error.js';
import { down, FakeAuthenticator, MINUTE, READ, refused, SessionFixture } from './session-fixture.js';

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

describe('logins of VaultSession', () => {
  it('logs in once for all requests that wait for a token', async () => {
    const session = fixture.session();
    await Promise.all(Array.from({ length: 100 }, () => session.request(READ)));
    expect(fixture.authenticator.logins).toBe(1);
    expect(fixture.vault.seen.every((request) => request.token === 't1')).toBe(true);
    expect(await fixture.logins()).toEqual({ 'approle success': 1 });
  });

  it('shows in a gauge whether it has a token', async () => {
    fixture.authenticator.failure = down;
    const session = await fixture.started();
    expect(await fixture.gauge('vault_session')).toBe(0);
    fixture.authenticator.failure = undefined;
    await fixture.clock.advance(60_000);
    expect(await fixture.gauge('vault_session')).toBe(1);
    await session.stop();
    expect(await fixture.gauge('vault_session')).toBe(0);
  });

  it('sends at most five refused logins in an hour, however many requests wait', async () => {
    fixture = new SessionFixture(new FakeAuthenticator(true));
    fixture.authenticator.failure = refused;
    const session = await fixture.started();
    for (let minute = 0; minute < 60; minute += 1) {
      const asked = await Promise.allSettled(Array.from({ length: 20 }, () => session.request(READ)));
      expect(asked.every((result) => result.status === 'rejected')).toBe(true);
      await fixture.clock.advance(MINUTE);
    }
    expect(fixture.authenticator.logins).toBeLessThanOrEqual(5);
    expect(session.problem()).toBe('not logged in to Vault: Vault refused the login (HTTP 400)');
    expect(await fixture.logins()).toEqual({ 'approle refused': fixture.authenticator.logins });
  });

  it('fails every request at once with the reason, as an error to retry', async () => {
    fixture.authenticator.failure = refused;
    const session = await fixture.started();
    await expect(session.request(READ)).rejects.toMatchObject({ failure: 'unavailable', retry: 'soon' });
    expect(fixture.authenticator.logins).toBe(1);
    expect(fixture.vault.seen).toEqual([]);
  });

  it('logs in once a Vault that was down at the start is back', async () => {
    fixture.authenticator.failure = down;
    const session = await fixture.started();
    expect(session.problem()).toContain('ECONNREFUSED');
    await fixture.clock.advance(10 * MINUTE);
    const before = fixture.authenticator.logins;
    expect(before).toBeGreaterThan(15);
    fixture.authenticator.failure = undefined;
    await fixture.clock.advance(30_000);
    expect(session.problem()).toBeUndefined();
    expect(fixture.authenticator.logins).toBe(before + 1);
    expect(await fixture.logins()).toMatchObject({ 'approle error': before, 'approle success': 1 });
  });

  it('tries again within a minute although Vault asked for a day', async () => {
    fixture.authenticator.failure = new VaultError('unavailable', 'Vault answered HTTP 503', {}, 86_400_000);
    const session = await fixture.started();
    fixture.authenticator.failure = undefined;
    await fixture.clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
    expect(fixture.authenticator.logins).toBe(2);
  });

  it('does not log in for every request when Vault ends each token at once', async () => {
    const session = await fixture.started();
    const problems = new Set<string | undefined>();
    for (let round = 0; round < 120; round += 1) {
      for (let token = 1; token <= fixture.authenticator.logins; token += 1)
        fixture.vault.dead.add(`t${String(token)}`);
      await session.request(READ).catch(() => undefined);
      problems.add(session.problem());
      await fixture.clock.advance(1_000);
    }
    expect(fixture.authenticator.logins).toBeLessThanOrEqual(4);
    expect([...problems].join()).toContain('token_num_uses');
  });

  it('logs no text of an unexpected error', async () => {
    fixture.authenticator.failure = Object.assign(new Error('s3cret'), {
      config: 's3cret',
    }) as unknown as VaultError;
    const session = await fixture.started();
    await expect(session.request(READ)).rejects.toThrow('the login failed unexpectedly');
    expect(JSON.stringify(fixture.logger.entries)).not.toContain('s3cret');
  });

  it.each([
    [true, 1],
    [false, 0],
  ])('on stop revokes the token only if its own login obtained it: %s', async (ours, revocations) => {
    fixture.authenticator.token = { ours };
    const session = await fixture.started();
    await session.stop();
    expect(fixture.vault.count('token_revoke')).toBe(revocations);
    expect(fixture.clock.waiting).toEqual([]);
    await expect(session.request(READ)).rejects.toThrow('the operator is shutting down');
    expect(fixture.authenticator.logins).toBe(1);
  });

  it('stops although the token cannot be revoked', async () => {
    const session = await fixture.started();
    fixture.vault.isDown = true;
    await session.stop();
    expect(fixture.logger.entries.at(-1)?.level).toBe('warn');
  });

  it('logs no token', async () => {
    const session = await fixture.startedAMinuteAgo();
    fixture.vault.dead.add('t1');
    await session.request(READ);
    await session.stop();
    expect(JSON.stringify(fixture.logger.entries)).not.toMatch(/"t[12]"/);
  });
});
