import { describe, expect, it } from '@jest/globals';

import { TokenBucket } from '../../../src/runtime/token-bucket.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('TokenBucket', () => {
  it('gives a burst, then one per interval, and never saves up more than a burst', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket({ clock, burst: 2, refillMs: 1_000 });
    const takeThree = (): boolean[] => [bucket.take(), bucket.take(), bucket.take()];
    expect(takeThree()).toEqual([true, true, false]);
    await clock.advance(999);
    expect(bucket.take()).toBe(false);
    await clock.advance(1);
    expect(takeThree()).toEqual([true, false, false]);
    await clock.advance(3_600_000);
    expect(takeThree()).toEqual([true, true, false]);
  });

  it('gives everybody who reserves a place in the line', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket({ clock, burst: 1, refillMs: 100 });
    expect([bucket.reserve(), bucket.reserve(), bucket.reserve()]).toEqual([0, 100, 200]);
    await clock.advance(100);
    expect(bucket.reserve()).toBe(200);
    await clock.advance(10_000);
    expect(bucket.reserve()).toBe(0);
  });
});
