import { beforeEach, describe, expect, it } from '@jest/globals';

import { StallDetector } from '../../../src/runtime/stall-detector.js';
import { FakeClock } from '../../support/fake-clock.js';

/** A clock whose timers can be late: the process did not run. */
class StoppableClock extends FakeClock {
  private monotonicLeadMs = 0;
  private wallLeadMs = 0;
  override monotonicMs = (): number => super.monotonicMs() + this.monotonicLeadMs;
  override now = (): Date => new Date(super.now().getTime() + this.wallLeadMs);
  stop(ms: number, { suspended = false } = {}): void {
    if (!suspended) this.monotonicLeadMs += ms;
    this.wallLeadMs += ms;
  }
}

let clock: StoppableClock;
let cpuMs: number;
let stalls: number[];
let detector: StallDetector;

beforeEach(() => {
  clock = new StoppableClock();
  cpuMs = 0;
  stalls = [];
  detector = new StallDetector(clock, () => cpuMs);
  detector.start({ onStall: (ms) => stalls.push(ms) });
});

describe('StallDetector', () => {
  it('has nothing to say while timers come in time, or a little late', async () => {
    await clock.advance(60_000);
    clock.stop(3_000);
    await clock.advance(60_000);
    expect(stalls).toEqual([]);
  });

  it.each([
    ['was stopped', {}],
    ['was suspended with its machine, whose monotonic clock stood still', { suspended: true }],
  ])('notices at the next beat that the process %s', async (_what, how) => {
    await clock.advance(10_500);
    clock.stop(20_000, how);
    await clock.advance(1_000);
    expect(stalls).toEqual([21_000]);
    await clock.advance(60_000);
    expect(stalls).toHaveLength(1);
  });

  it('notices it before any timer when it is asked', async () => {
    await clock.advance(10_000);
    clock.stop(20_000);
    detector.check();
    expect(stalls).toEqual([20_000]);
    detector.check();
    expect(stalls).toHaveLength(1);
  });

  it('does not take a long computation of its own for a stall', async () => {
    await clock.advance(10_000);
    clock.stop(20_000);
    cpuMs += 18_000;
    detector.check();
    expect(stalls).toEqual([]);
  });

  it('sets no timer after the stop', async () => {
    detector.stop();
    expect(clock.waiting).toEqual([]);
    clock.stop(20_000);
    detector.check();
    await clock.advance(10_000);
    expect(stalls).toEqual([]);
  });
});
