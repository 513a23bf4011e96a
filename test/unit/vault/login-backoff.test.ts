import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { LoginBackoff } from '../../../src/vault/login-backoff.js';

const MINUTE = 60_000;

/** What Vault counts: five failures without 15 quiet minutes between any two lock the user out. */
function locksOut(waitsMs: readonly number[]): boolean {
  let counted = 1;
  return waitsMs.some((wait) => {
    counted = wait >= 15 * MINUTE ? 1 : counted + 1;
    return counted >= 5;
  });
}

describe('LoginBackoff', () => {
  it('never has an account locked out, with outages in between or not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (kinds, random) => {
          const backoff = new LoginBackoff({ locksOut: true, random: () => random });
          const waits: number[] = [];
          for (const isOutage of kinds) {
            // An outage only lengthens the time between two refusals.
            if (isOutage) backoff.afterOutage();
            else waits.push(backoff.afterRefusal());
          }
          expect(locksOut(waits)).toBe(false);
        },
      ),
    );
  });

  it('repeats refused logins after 10 seconds at the most at first, later every 5 minutes', () => {
    const backoff = new LoginBackoff({ locksOut: false, random: () => 0.999_999 });
    const waits = Array.from({ length: 8 }, () => Math.round(backoff.afterRefusal() / 1_000));
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('retries sooner after an outage, and starts over after a success', () => {
    const backoff = new LoginBackoff({ locksOut: true, random: () => 0.999_999 });
    const waits = Array.from({ length: 7 }, () => Math.round(backoff.afterOutage() / 1_000));
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30]);
    expect(backoff.failures).toBe(7);
    backoff.succeeded();
    expect(backoff.failures).toBe(0);
    expect(Math.round(backoff.afterOutage() / 1_000)).toBe(1);
  });

  it('lets one token die early, and waits when the next ones do too', () => {
    const backoff = new LoginBackoff({ locksOut: false, random: () => 0 });
    expect(backoff.afterDeath(10)).toBe(0);
    expect(backoff.afterDeath(10)).toBe(5_000);
    backoff.succeeded();
    expect(backoff.afterDeath(10)).toBe(10_000);
    expect(backoff.afterDeath(10 * MINUTE)).toBe(0);
    expect(backoff.afterDeath(10)).toBe(0);
  });
});
