import { getEventListeners } from 'node:events';

import { describe, expect, it } from '@jest/globals';

import { LinkedAbort } from '../../../src/runtime/linked-abort.js';
import { FakeClock } from '../../support/fake-clock.js';

describe('LinkedAbort', () => {
  it('aborts with the first of its sources, also one that has aborted before', () => {
    const source = new AbortController();
    const link = new LinkedAbort([undefined, source.signal]);
    expect(link.signal.aborted).toBe(false);
    source.abort(new Error('not passed on'));
    expect((link.signal.reason as Error).name).toBe('AbortError');
    expect(link.isOverdue).toBe(false);
    expect(new LinkedAbort([source.signal]).signal.aborted).toBe(true);
  });

  it('has the reason that belongs to the source', () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const link = new LinkedAbort();
    link.follow(first.signal, () => new Error('first'));
    link.follow(second.signal, () => new Error('second'));
    second.abort();
    first.abort();
    expect((link.signal.reason as Error).message).toBe('second');
  });

  it('aborts when the time is over, and says that it was the time', async () => {
    const clock = new FakeClock();
    const link = new LinkedAbort();
    link.expireIn(clock, 1_000, () => new Error('too late'));
    await clock.advance(999);
    expect([link.signal.aborted, link.isOverdue]).toEqual([false, false]);
    await clock.advance(1);
    expect([link.signal.aborted, link.isOverdue]).toEqual([true, true]);
    expect((link.signal.reason as Error).message).toBe('too late');
  });

  it('counts the time again when it is set again, and not when it is taken back', async () => {
    const clock = new FakeClock();
    const link = new LinkedAbort();
    link.expireIn(clock, 1_000);
    await clock.advance(900);
    const cancel = link.expireIn(clock, 1_000);
    await clock.advance(900);
    expect(link.signal.aborted).toBe(false);
    cancel();
    await clock.advance(10_000);
    expect(link.signal.aborted).toBe(false);
  });

  it('leaves neither a listener nor a timer behind', async () => {
    const clock = new FakeClock();
    const source = new AbortController();
    const link = new LinkedAbort([source.signal]);
    link.expireIn(clock, 1_000);
    link.dispose();
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
    await clock.advance(10_000);
    source.abort();
    expect([link.signal.aborted, link.isOverdue]).toEqual([false, false]);
  });
});
