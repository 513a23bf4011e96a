import { beforeEach, describe, expect, it } from '@jest/globals';

import { down, MINUTE, READ, SessionFixture } from './session-fixture.js';

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

describe('renewals of VaultSession', () => {
  it('renews at about two thirds of the lifetime, each time', async () => {
    await fixture.started();
    const [first] = fixture.clock.waiting;
    expect(first).toBeGreaterThan(0.6 * 3_600_000);
    expect(first).toBeLessThan(0.72 * 3_600_000);
    await fixture.clock.advance(10 * 3_600_000);
    expect(fixture.vault.count('token_renew')).toBe(15);
    expect(fixture.authenticator.logins).toBe(1);
  });

  it('spreads the renewals of several replicas', async () => {
    const waits: (number | undefined)[] = [];
    for (const random of [0, 0.999]) {
      fixture = new SessionFixture();
      await fixture.started(random);
      waits.push(fixture.clock.waiting[0]);
    }
    expect(waits[1]).toBeGreaterThan((waits[0] ?? NaN) + 4 * MINUTE);
  });

  it.each([
    ['is not renewable', { renewable: false }, 3600 as const, 0],
    ['is not renewed', {}, 'refused' as const, 1],
    ['comes near its maximum life', {}, 600 as const, 1],
  ])('logs in before the token expires when it %s', async (_what, token, renewal, renewals) => {
    fixture.authenticator.token = token;
    fixture.vault.renewal = renewal;
    const session = await fixture.started();
    await fixture.clock.advance(45 * MINUTE);
    expect(fixture.vault.count('token_renew')).toBe(renewals);
    expect(fixture.authenticator.logins).toBe(2);
    await session.request(READ);
    expect(fixture.vault.seen.at(-1)?.token).toBe('t2');
    expect(session.problem()).toBeUndefined();
  });

  it('keeps the old token while the next login fails, and retries until it expires', async () => {
    fixture.authenticator.token = { renewable: false };
    const session = await fixture.started();
    fixture.authenticator.failure = down;
    await fixture.clock.advance(50 * MINUTE);
    expect(fixture.authenticator.logins).toBeGreaterThan(1);
    expect(session.problem()).toBeUndefined();
    expect((await session.request(READ)).status).toBe(200);
    await fixture.clock.advance(11 * MINUTE);
    await expect(session.request(READ)).rejects.toThrow('not logged in to Vault');
    expect(session.problem()).toContain('ECONNREFUSED');
    fixture.authenticator.failure = undefined;
    await fixture.clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
  });

  it.each([
    ['root', { ttlSeconds: 0, renewable: false, ours: false }],
    ['a login without an end', { ttlSeconds: 0 }],
  ])('sends nothing for a token that never expires: %s', async (_name, token) => {
    fixture.authenticator.token = token;
    const session = await fixture.started();
    expect(fixture.clock.waiting).toEqual([]);
    await fixture.clock.advance(400 * 24 * 60 * MINUTE);
    expect(fixture.authenticator.logins).toBe(1);
    expect(fixture.vault.seen).toEqual([]);
    expect(await fixture.gauge()).toBe(0);
    expect(session.problem()).toBeUndefined();
  });

  it('renews a configured token again after one renewal was refused', async () => {
    fixture.authenticator.token = { ours: false, token: 'given' };
    fixture.vault.renewal = 'refused';
    await fixture.started();
    await fixture.clock.advance(45 * MINUTE);
    expect(fixture.vault.count('token_renew')).toBe(2);
    fixture.vault.renewal = 3600;
    await fixture.clock.advance(60 * MINUTE);
    expect(fixture.authenticator.logins).toBe(1);
    expect(await fixture.gauge()).toBeGreaterThan(fixture.clock.now().getTime() / 1_000);
  });

  it('shows in a metric when the token expires', async () => {
    const session = await fixture.started();
    expect(await fixture.gauge()).toBe(new Date('2026-01-01T01:00:00Z').getTime() / 1_000);
    await session.stop();
    expect(await fixture.gauge()).toBe(0);
  });

  it('logs in after the token has expired, without a request', async () => {
    fixture.vault.renewal = 'refused';
    const session = await fixture.started();
    fixture.authenticator.failure = down;
    await fixture.clock.advance(2 * 60 * MINUTE);
    expect(session.problem()).toContain('not logged in');
    fixture.authenticator.failure = undefined;
    await fixture.clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
  });
});
