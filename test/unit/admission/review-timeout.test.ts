import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { reviewTimeoutMs } from '../../../src/admission/review-timeout.js';

describe('reviewTimeoutMs', () => {
  it.each([
    ['/?timeout=10s', 9_000],
    ['/validate?timeout=3s&x=1', 2_700],
    ['/?timeout=1s', 750],
    ['/?timeout=500ms', 250],
    ['/?timeout=1.5s', 1_250],
    ['/?timeout=0m20s', 18_000],
    ['/?timeout=1m30s', 27_000],
    ['/', 9_000],
    ['/?timeout=', 9_000],
    ['/?timeout=0s', 9_000],
    ['/?timeout=-5s', 9_000],
    ['/?timeout=soon', 9_000],
    ['/?timeout=10', 9_000],
  ])('makes of %s %d ms', (url, ms) => {
    expect(reviewTimeoutMs(url)).toBeCloseTo(ms);
  });

  it('is always before the caller gives up, and never nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30_000 }), (ms) => {
        const within = reviewTimeoutMs(`/?timeout=${String(ms)}ms`);
        expect(within).toBeGreaterThan(0);
        expect(within).toBeLessThan(ms);
      }),
    );
  });
});
