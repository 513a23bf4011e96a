import { describe, expect, it } from '@jest/globals';

import { retryAfterMs } from '../../../src/runtime/retry-after.js';
import { NAMED_WAIT_LIMITS_MS, namedWaitMs } from '../../../src/runtime/wait-limits.js';

const NOW = new Date('1994-11-06T08:49:30Z');

describe('retryAfterMs', () => {
  it.each([
    ['0', 0],
    ['7', 7_000],
    [' 120 ', 120_000],
    ['86400', 86_400_000],
    ['999999999', 999_999_999_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 7_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 7_000],
    ['Sun Nov  6 08:49:37 1994', 7_000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ])('reads %j', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms);
  });

  it.each([undefined, '', '-5', '1.5', '1e3', 'soon', '2024-11-06', 'Sun, 06 Nov 1994', 7, ['7']])(
    'makes nothing of %j',
    (header) => {
      expect(retryAfterMs(header, NOW)).toBeUndefined();
    },
  );
});

describe('namedWaitMs', () => {
  it.each(Object.keys(NAMED_WAIT_LIMITS_MS) as (keyof typeof NAMED_WAIT_LIMITS_MS)[])(
    'never waits a day because a peer says so: %s',
    (place) => {
      expect(namedWaitMs(86_400_000, place)).toBe(NAMED_WAIT_LIMITS_MS[place]);
      expect(NAMED_WAIT_LIMITS_MS[place]).toBeLessThanOrEqual(60_000);
      expect(namedWaitMs(1_000, place)).toBe(1_000);
      expect(namedWaitMs(undefined, place)).toBe(0);
    },
  );
});
