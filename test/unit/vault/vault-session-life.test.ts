import { beforeEach, describe, expect, it } from '@jest/globals';

import { settled } from '../../support/fake-clock.js';
import { MINUTE, READ, SessionFixture } from './session-fixture.js';

const DAY = 24 * 60 * MINUTE;

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

describe('the lifetime of a token', () => {
  it('remembers through a renewal that the token is known, and checks a 403 by a look-up', async () => {
    fixture.authenticator.token = { ttlSeconds: 20 };
    const session = await fixture.started();
    expect((await session.request(READ)).status).toBe(200);
    await fixture.clock.advance(15_000);
    expect(fixture.vault.seen.map(({ operation }) => operation)).toEqual(['read', 'token_renew']);
    fixture.vault.answer = () => ({ status: 403, text: JSON.stringify({ errors: ['permission denied'] }) });
    await session.request(READ).catch(() => undefined);
    expect(fixture.vault.seen.at(-1)?.operation).toBe('token_lookup');
  });

  it.each([true, false])(
    'sends nothing for weeks for a token of 32 days, renewable: %s',
    async (renewable) => {
      fixture.authenticator.token = { ttlSeconds: 32 * 24 * 3_600, renewable };
      fixture.vault.renewal = 2_764_800;
      await fixture.started();
      await fixture.clock.advance(19 * DAY);
      expect([fixture.authenticator.logins, fixture.vault.seen.length]).toEqual([1, 0]);
      await fixture.clock.advance(4 * DAY);
      expect(fixture.authenticator.logins).toBe(renewable ? 1 : 2);
      expect(fixture.vault.seen.map(({ operation }) => operation)).toEqual([
        renewable ? 'token_renew' : 'token_revoke',
      ]);
    },
  );

  it('revokes a replaced token once no request uses it', async () => {
    fixture.authenticator.token = { renewable: false, ttlSeconds: 600 };
    const session = await fixture.started();
    let answer: (() => void) | undefined;
    fixture.vault.hold = new Promise<void>((resolve) => (answer = resolve));
    const slow = session.request(READ);
    await settled();
    fixture.vault.hold = undefined;
    await fixture.clock.advance(8 * MINUTE);
    const revoked = (): (string | undefined)[] =>
      fixture.vault.seen.filter(({ operation }) => operation === 'token_revoke').map(({ token }) => token);
    expect([fixture.authenticator.logins, revoked()]).toEqual([2, []]);
    answer?.();
    await slow;
    await settled();
    expect(revoked()).toEqual(['t1']);
    await session.stop();
    expect(revoked()).toEqual(['t1', 't2']);
  });

  it.each([
    ['an hour', 60 * MINUTE, 45 * MINUTE, 55 * MINUTE],
    ['90 days', 90 * DAY, 65 * DAY, 89 * DAY + MINUTE],
  ])(
    'logs a warning at two thirds of a configured token of %s and an error near its end, and never revokes it',
    async (_life, lifeMs, warnedMs, failedMs) => {
      fixture.authenticator.token = { ours: false, renewable: false, ttlSeconds: lifeMs / 1_000 };
      const session = await fixture.started();
      const said = (): string[] =>
        fixture.logger.entries
          .filter(({ message }) => message.includes('VAULT_TOKEN'))
          .map(({ level }) => level);
      await fixture.clock.advance(lifeMs * 0.6);
      expect(said()).toEqual([]);
      await fixture.clock.advance(warnedMs - lifeMs * 0.6);
      expect(said()).toEqual(['warn']);
      await fixture.clock.advance(failedMs - warnedMs);
      expect(said()).toEqual(['warn', 'error']);
      await session.stop();
      expect([fixture.authenticator.logins, fixture.vault.seen.length]).toEqual([1, 0]);
    },
  );
});
