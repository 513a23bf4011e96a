import { describe, expect, it } from '@jest/globals';

import { LeaseGate } from '../../../src/kube/lease-gate.js';
import { WriteGateClosedError } from '../../../src/runtime/write-gate.js';
import { SimulatedTime } from './simulated-time.js';

function gateIn(time: SimulatedTime) {
  const clock = time.clock();
  let lapses = 0;
  const gate = new LeaseGate({ clock, onExpiry: () => (lapses += 1) });
  return {
    clock,
    gate,
    lapses: () => lapses,
    open: (ms: number) => gate.openUntil(clock.monotonicMs() + ms),
  };
}

describe('LeaseGate', () => {
  it('is closed, with nothing in flight, before it was ever opened', () => {
    const { gate } = gateIn(new SimulatedTime());
    expect(() => {
      gate.assertOpen();
    }).toThrow(WriteGateClosedError);
    expect(gate.signal.aborted).toBe(true);
  });

  it('gives up what is in flight at the deadline, and not a millisecond before', async () => {
    const time = new SimulatedTime();
    const { gate, open, lapses } = gateIn(time);
    open(100);
    const { signal } = gate;
    await time.advance(99);
    gate.assertOpen();
    expect(signal.aborted).toBe(false);
    await time.advance(1);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(WriteGateClosedError);
    expect(lapses()).toBe(1);
  });

  it('is closed to the first line of code that runs after a freeze, before any timer', async () => {
    const time = new SimulatedTime();
    const { clock, gate, open, lapses } = gateIn(time);
    open(100);
    const { signal } = gate;
    clock.frozen = true;
    await time.advance(500);
    expect(signal.aborted).toBe(false);
    expect(() => {
      gate.assertOpen();
    }).toThrow(WriteGateClosedError);
    expect(signal.aborted).toBe(true);
    clock.frozen = false;
    await time.advance(0);
    expect(lapses()).toBe(1);
  });

  it('keeps its signal while it is prolonged, and has a fresh one after it was closed', async () => {
    const time = new SimulatedTime();
    const { gate, open } = gateIn(time);
    open(100);
    const first = gate.signal;
    await time.advance(60);
    open(100);
    await time.advance(60);
    expect(gate.signal).toBe(first);
    expect(first.aborted).toBe(false);
    gate.close();
    expect(first.aborted).toBe(true);
    open(100);
    expect(gate.signal.aborted).toBe(false);
    expect(first.aborted).toBe(true);
  });

  it('does not open for a time that has passed', async () => {
    const time = new SimulatedTime();
    const { clock, gate } = gateIn(time);
    expect(gate.openUntil(clock.monotonicMs())).toBe(false);
    expect(gate.isOpen()).toBe(false);
    expect(gate.signal.aborted).toBe(true);
    await time.advance(1_000);
    expect(gate.isOpen()).toBe(false);
  });

  it('stays open when the timer fires early', () => {
    const time = new SimulatedTime();
    const clock = time.clock();
    const fires: (() => void)[] = [];
    const early = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (_ms: number, callback: () => void) => {
        fires.push(callback);
        return () => undefined;
      },
    };
    const gate = new LeaseGate({ clock: early });
    gate.openUntil(clock.monotonicMs() + 100);
    fires.shift()?.();
    expect(gate.isOpen()).toBe(true);
    expect(fires).toHaveLength(1);
  });
});
