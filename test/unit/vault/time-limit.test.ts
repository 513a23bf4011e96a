import { describe, expect, it } from '@jest/globals';
import { getEventListeners } from 'node:events';

import { TimeLimit } from '../../../src/vault/time-limit.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('TimeLimit', () => {
  it('aborts when the time is over, and says so', async () => {
    const clock = new FakeClock();
    const limit = new TimeLimit(clock, 1_000, []);
    await clock.advance(999);
    expect([limit.signal.aborted, limit.isOver]).toEqual([false, false]);
    await clock.advance(1);
    expect([limit.signal.aborted, limit.isOver]).toEqual([true, true]);
  });

  it('aborts with any of its signals, also one that is aborted already', () => {
    const source = new AbortController();
    const limit = new TimeLimit(new FakeClock(), 1_000, [undefined, source.signal]);
    source.abort();
    expect([limit.signal.aborted, limit.isOver]).toEqual([true, false]);
    expect(new TimeLimit(new FakeClock(), 1_000, [AbortSignal.abort()]).signal.aborted).toBe(true);
  });

  it('leaves no timer and no listener behind', () => {
    const clock = new FakeClock();
    const source = new AbortController();
    new TimeLimit(clock, 1_000, [source.signal]).end();
    expect(clock.waiting).toEqual([]);
    expect(getEventListeners(source.signal, 'abort')).toEqual([]);
  });
});
