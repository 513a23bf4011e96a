import { describe, expect, it } from '@jest/globals';

import { Alarm } from '../../../src/runtime/alarm.js';
import { MAX_TIMER_MS, SystemClock, type TimerHost } from '../../../src/runtime/clock.js';
import { FakeClock } from '../../support/fake-clock.js';

/** Timers as Node has them: too long ones fire at once, and every one fires early. */
class NodeLikeHost implements TimerHost {
  nowMs = 0;
  asked: number[] = [];
  private timers = new Map<NodeJS.Timeout, { readonly atMs: number; readonly callback: () => void }>();

  constructor(private readonly earlyMs: number) {}

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimeout(callback: () => void, ms: number): NodeJS.Timeout {
    this.asked.push(ms);
    const effectiveMs = ms > MAX_TIMER_MS ? 1 : Math.max(1, ms);
    const id = {} as NodeJS.Timeout;
    this.timers.set(id, { atMs: this.nowMs + effectiveMs - this.earlyMs, callback });
    return id;
  }

  clearTimeout(timer: NodeJS.Timeout): void {
    this.timers.delete(timer);
  }

  /** Runs timers until none is left. */
  run(): void {
    for (let [next] = this.timers; next !== undefined; [next] = this.timers) {
      const [id, { atMs, callback }] = next;
      this.timers.delete(id);
      this.nowMs = Math.max(this.nowMs, atMs);
      callback();
    }
  }
}

describe('SystemClock', () => {
  it.each([0.3, 1, 1_500, MAX_TIMER_MS, MAX_TIMER_MS + 1, 600 * 3_600_000, 365 * 24 * 3_600_000])(
    'calls back after %d ms, never before and once',
    (ms) => {
      const host = new NodeLikeHost(0.4);
      const calledAt: number[] = [];
      new SystemClock(host).setTimer(ms, () => calledAt.push(host.nowMs));
      host.run();
      expect(calledAt).toHaveLength(1);
      expect(calledAt[0]).toBeGreaterThanOrEqual(ms);
      expect(calledAt[0]).toBeLessThanOrEqual(ms + 2);
      expect(Math.max(...host.asked)).toBeLessThanOrEqual(MAX_TIMER_MS);
    },
  );

  it.each([0, -5, NaN])('calls back soon for %d ms', (ms) => {
    const host = new NodeLikeHost(0);
    let calls = 0;
    new SystemClock(host).setTimer(ms, () => (calls += 1));
    host.run();
    expect([calls, host.nowMs]).toEqual([1, 1]);
  });

  it('cancels a long wait', () => {
    const host = new NodeLikeHost(0);
    let calls = 0;
    const cancel = new SystemClock(host).setTimer(3 * MAX_TIMER_MS, () => (calls += 1));
    cancel();
    host.run();
    expect(calls).toBe(0);
  });
});

describe('Alarm', () => {
  it('calls back at the deadline when timers fire early, and not before', async () => {
    const clock = new FakeClock(undefined, 0.4);
    const alarm = new Alarm(clock);
    const calledAt: number[] = [];
    alarm.setIn(1_000, () => calledAt.push(clock.monotonicMs()));
    await clock.advance(999.7);
    expect(calledAt).toEqual([]);
    expect(clock.waiting).toHaveLength(1);
    await clock.advance(1);
    expect(calledAt).toEqual([1_000]);
    expect(clock.waiting).toEqual([]);
  });

  it('forgets what was set before', async () => {
    const clock = new FakeClock();
    const alarm = new Alarm(clock);
    const called: string[] = [];
    alarm.setIn(1_000, () => called.push('first'));
    alarm.setIn(2_000, () => called.push('second'));
    await clock.advance(5_000);
    alarm.setIn(1_000, () => called.push('third'));
    alarm.clear();
    await clock.advance(5_000);
    expect(called).toEqual(['second']);
  });
});
