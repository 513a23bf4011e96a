import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { Outcome } from '../../../src/queue/outcome.js';
import { settled } from '../../support/fake-clock.js';
import { key, QueueFixture } from './queue-fixture.js';

let fixture: QueueFixture;

beforeEach(() => {
  fixture = new QueueFixture();
});

function held(): { promise: Promise<Outcome>; release: (outcome?: Outcome) => void } {
  let release: (outcome?: Outcome) => void = () => undefined;
  const promise = new Promise<Outcome>((resolve) => {
    release = (outcome = { result: 'synced' }) => {
      resolve(outcome);
    };
  });
  return { promise, release };
}

describe('ReconcileQueue', () => {
  it('lends the slots of keys that wait for a quota: always to edits, once over to resync work', async () => {
    fixture = new QueueFixture(2);
    const gate = held();
    for (const name of ['big-0', 'big-1', 'big-2', 'big-3', 'big-4', 'edit']) {
      fixture.behaviour.set(name, () => gate.promise);
    }
    for (let index = 0; index < 5; index += 1) fixture.queue.add(key(`big-${String(index)}`), 'resync');
    fixture.queue.start(fixture.process);
    await settled();
    expect(fixture.order).toEqual(['big-0', 'big-1']);
    fixture.queue.lend(4);
    await settled();
    expect(fixture.order).toEqual(['big-0', 'big-1', 'big-2', 'big-3']);
    fixture.queue.add(key('edit'), 'edit');
    await settled();
    expect(fixture.order.at(-1)).toBe('edit');
    fixture.queue.lend(0);
    gate.release();
    await settled();
    expect([fixture.order.at(-1), fixture.queue.size]).toEqual(['big-4', 0]);
  });

  it('processes nothing before its start, and each key once however often it was added', async () => {
    for (const name of ['a', 'b', 'a', 'a']) fixture.queue.add(key(name), 'resync');
    await settled();
    expect(fixture.order).toEqual([]);
    fixture.queue.start(fixture.process);
    await settled();
    expect(fixture.order).toEqual(['a', 'b']);
  });

  it('processes a key once more when it was added meanwhile, never twice at once', async () => {
    const first = held();
    fixture = new QueueFixture(4);
    fixture.behaviour.set('a', () => first.promise);
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'edit');
    await settled();
    fixture.queue.add(key('a'), 'edit');
    fixture.queue.add(key('a'), 'resync');
    await settled();
    expect(fixture.order).toEqual(['a']);
    fixture.behaviour.delete('a');
    first.release();
    await settled();
    expect(fixture.order).toEqual(['a', 'a']);
  });

  it('processes edits before resyncs, without starving a resync', async () => {
    for (let index = 0; index < 3; index += 1) fixture.queue.add(key(`resync-${String(index)}`), 'resync');
    for (let index = 0; index < 25; index += 1) fixture.queue.add(key(`edit-${String(index)}`), 'edit');
    fixture.queue.add(key('resync-2'), 'edit');
    fixture.queue.start(fixture.process);
    await settled();
    expect(fixture.order[0]).toBe('edit-0');
    expect(fixture.order.indexOf('resync-0')).toBeLessThan(fixture.order.indexOf('edit-24'));
    expect(fixture.order.indexOf('resync-2')).toBeGreaterThan(fixture.order.indexOf('edit-24'));
    expect(fixture.order).toHaveLength(28);
  });

  it('never exceeds its concurrency', async () => {
    fixture = new QueueFixture(3);
    const gates = Array.from({ length: 9 }, () => held());
    gates.forEach((gate, index) => fixture.behaviour.set(String(index), () => gate.promise));
    gates.forEach((_, index) => fixture.queue.add(key(String(index)), 'resync'));
    fixture.queue.start(fixture.process);
    for (const gate of gates) {
      await settled();
      gate.release();
    }
    await settled();
    expect(fixture.order).toHaveLength(9);
    expect(fixture.peak).toBe(3);
  });

  it('retries a failed key with growing pauses of up to a minute', async () => {
    fixture.behaviour.set('a', () => Promise.resolve({ result: 'error' }));
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'resync');
    await settled();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      waits.push(fixture.clock.waiting[0] ?? 0);
      await fixture.clock.advance(fixture.clock.waiting[0] ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(fixture.order).toHaveLength(10);
  });

  it('waits as long as the peer asks, but processes an edit at once', async () => {
    fixture.behaviour.set('a', () => Promise.resolve({ result: 'error', afterMs: 30_000 }));
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'resync');
    await settled();
    expect(fixture.clock.waiting).toEqual([30_000]);
    fixture.queue.add(key('a'), 'resync');
    await settled();
    expect(fixture.order).toHaveLength(1);
    fixture.queue.add(key('a'), 'edit');
    await settled();
    expect(fixture.order).toHaveLength(2);
  });

  it('waits a minute when the peer asks for a day', async () => {
    fixture.behaviour.set('a', () => Promise.resolve({ result: 'error', afterMs: 86_400_000 }));
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'resync');
    await settled();
    expect(fixture.clock.waiting).toEqual([60_000]);
  });

  it('removes a forgotten key and its retries', async () => {
    fixture.behaviour.set('a', () => Promise.resolve({ result: 'error' }));
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'resync');
    await settled();
    fixture.queue.forget(key('a'));
    expect(fixture.queue.size).toBe(0);
    await fixture.clock.advance(120_000);
    expect(fixture.order).toHaveLength(1);
  });

  it('stops when the keys in flight are finished, and starts no more', async () => {
    const first = held();
    fixture.behaviour.set('a', () => first.promise);
    fixture.queue.start(fixture.process);
    fixture.queue.add(key('a'), 'edit');
    fixture.queue.add(key('b'), 'edit');
    await settled();
    let stopped = false;
    const stop = fixture.queue.stop().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    first.release({ result: 'error' });
    await stop;
    fixture.queue.add(key('c'), 'edit');
    await fixture.clock.advance(120_000);
    expect(fixture.order).toEqual(['a']);
  });

  it('loses no key and never processes one twice at once, in any order of events', async () => {
    const step = fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.constantFrom('edit' as const, 'resync' as const),
      fc.constantFrom('synced' as const, 'error' as const),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, concurrency) => {
          fixture = new QueueFixture(concurrency);
          fixture.queue.start(fixture.process);
          for (const [name, priority, result] of steps) {
            fixture.behaviour.set(name, () => {
              fixture.behaviour.delete(name);
              return Promise.resolve({ result });
            });
            const before = fixture.order.length;
            fixture.queue.add(key(name), priority);
            await fixture.clock.advance(0);
            if (priority === 'edit') expect(fixture.order.slice(before)).toContain(name);
          }
          await fixture.clock.advance(200_000);
          expect(new Set(fixture.order)).toEqual(new Set(steps.map(([name]) => name)));
          expect(fixture.queue.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});
