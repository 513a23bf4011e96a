import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Registry } from 'prom-client';

import { API_VERSION, SECRET_KIND } from '../../../src/api/group.js';
import type { ResourceKey } from '../../../src/api/resource-key.js';
import type { KMSVaultSecret } from '../../../src/api/resources.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { ReconcileQueue } from '../../../src/queue/reconcile-queue.js';
import { ResyncTimer } from '../../../src/queue/resync-timer.js';
import type { Outcome } from '../../../src/queue/outcome.js';
import type { Processor } from '../../../src/queue/work-queue.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

const key = (name: string): ResourceKey => ({ kind: SECRET_KIND, namespace: 'default', name });

const secret = (name: string): KMSVaultSecret => ({
  apiVersion: API_VERSION,
  kind: SECRET_KIND,
  metadata: { namespace: 'default', name, uid: name, resourceVersion: '1' },
  spec: { path: name, kvSettings: { engineVersion: 'v1' } },
});

let clock: FakeClock;
let order: string[];
let running: Set<string>;
let peak: number;
/** What a key's processing waits for and gives; at once and nothing when absent. */
let behaviour: Map<string, () => Promise<Outcome>>;
let queue: ReconcileQueue;

const process: Processor = async ({ name }) => {
  if (running.has(name)) throw new Error(`${name} is processed twice at once`);
  running.add(name);
  peak = Math.max(peak, running.size);
  order.push(name);
  try {
    return (await behaviour.get(name)?.()) ?? { result: 'synced' };
  } finally {
    running.delete(name);
  }
};

function make(concurrency: number, isReady: (key: ResourceKey) => boolean = () => true): ReconcileQueue {
  return new ReconcileQueue(
    concurrency,
    clock,
    silentLogger,
    new OperatorMetrics(new Registry()),
    { mayProcess: isReady },
    () => 1,
  );
}

beforeEach(() => {
  clock = new FakeClock();
  order = [];
  running = new Set();
  peak = 0;
  behaviour = new Map();
  queue = make(1);
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
  it('lends the places of keys that wait for a quota: to edits always, to resync work once over', async () => {
    queue = make(2);
    const gate = held();
    for (const name of ['big-0', 'big-1', 'big-2', 'big-3', 'big-4', 'edit']) {
      behaviour.set(name, () => gate.promise);
    }
    for (let index = 0; index < 5; index += 1) queue.add(key(`big-${String(index)}`), 'resync');
    queue.start(process);
    await settled();
    expect(order).toEqual(['big-0', 'big-1']);
    queue.lend(4);
    await settled();
    expect(order).toEqual(['big-0', 'big-1', 'big-2', 'big-3']);
    queue.add(key('edit'), 'edit');
    await settled();
    expect(order.at(-1)).toBe('edit');
    queue.lend(0);
    gate.release();
    await settled();
    expect([order.at(-1), queue.size]).toEqual(['big-4', 0]);
  });

  it('processes nothing before it is started, and each key once however often it was added', async () => {
    for (const name of ['a', 'b', 'a', 'a']) queue.add(key(name), 'resync');
    await settled();
    expect(order).toEqual([]);
    queue.start(process);
    await settled();
    expect(order).toEqual(['a', 'b']);
  });

  it('runs a key once more when it was added while it was processed, never twice at once', async () => {
    const first = held();
    behaviour.set('a', () => first.promise);
    queue = make(4);
    queue.start(process);
    queue.add(key('a'), 'edit');
    await settled();
    queue.add(key('a'), 'edit');
    queue.add(key('a'), 'resync');
    await settled();
    expect(order).toEqual(['a']);
    behaviour.delete('a');
    first.release();
    await settled();
    expect(order).toEqual(['a', 'a']);
  });

  it('lets edits overtake resyncs, but starves nobody', async () => {
    for (let index = 0; index < 3; index += 1) queue.add(key(`resync-${String(index)}`), 'resync');
    for (let index = 0; index < 25; index += 1) queue.add(key(`edit-${String(index)}`), 'edit');
    queue.add(key('resync-2'), 'edit');
    queue.start(process);
    await settled();
    expect(order[0]).toBe('edit-0');
    expect(order.indexOf('resync-0')).toBeLessThan(order.indexOf('edit-24'));
    expect(order.indexOf('resync-2')).toBeGreaterThan(order.indexOf('edit-24'));
    expect(order).toHaveLength(28);
  });

  it('keeps to its concurrency', async () => {
    queue = make(3);
    const gates = Array.from({ length: 9 }, () => held());
    gates.forEach((gate, index) => behaviour.set(String(index), () => gate.promise));
    gates.forEach((_, index) => queue.add(key(String(index)), 'resync'));
    queue.start(process);
    for (const gate of gates) {
      await settled();
      gate.release();
    }
    await settled();
    expect(order).toHaveLength(9);
    expect(peak).toBe(3);
  });

  it('brings a failed key back with growing waits, up to a minute', async () => {
    behaviour.set('a', () => Promise.resolve({ result: 'error' }));
    queue.start(process);
    queue.add(key('a'), 'resync');
    await settled();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      waits.push(clock.waiting[0] ?? 0);
      await clock.advance(clock.waiting[0] ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(order).toHaveLength(10);
  });

  it('waits as long as the other side asks, and not at all for an edit', async () => {
    behaviour.set('a', () => Promise.resolve({ result: 'error', afterMs: 30_000 }));
    queue.start(process);
    queue.add(key('a'), 'resync');
    await settled();
    expect(clock.waiting).toEqual([30_000]);
    queue.add(key('a'), 'resync');
    await settled();
    expect(order).toHaveLength(1);
    queue.add(key('a'), 'edit');
    await settled();
    expect(order).toHaveLength(2);
  });

  it('waits a minute when the other side asks for a day', async () => {
    behaviour.set('a', () => Promise.resolve({ result: 'error', afterMs: 86_400_000 }));
    queue.start(process);
    queue.add(key('a'), 'resync');
    await settled();
    expect(clock.waiting).toEqual([60_000]);
  });

  it('forgets a key and its failures', async () => {
    behaviour.set('a', () => Promise.resolve({ result: 'error' }));
    queue.start(process);
    queue.add(key('a'), 'resync');
    await settled();
    queue.forget(key('a'));
    expect(queue.size).toBe(0);
    await clock.advance(120_000);
    expect(order).toHaveLength(1);
  });

  it('stops when what is in flight has finished, and begins nothing more', async () => {
    const first = held();
    behaviour.set('a', () => first.promise);
    queue.start(process);
    queue.add(key('a'), 'edit');
    queue.add(key('b'), 'edit');
    await settled();
    let stopped = false;
    const stop = queue.stop().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    first.release({ result: 'error' });
    await stop;
    queue.add(key('c'), 'edit');
    await clock.advance(120_000);
    expect(order).toEqual(['a']);
  });

  it('loses no key and never overlaps itself, whatever the order of things', async () => {
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
          clock = new FakeClock();
          order = [];
          running = new Set();
          const subject = make(concurrency);
          subject.start(process);
          for (const [name, priority, result] of steps) {
            behaviour.set(name, () => {
              behaviour.delete(name);
              return Promise.resolve({ result });
            });
            const before = order.length;
            subject.add(key(name), priority);
            await clock.advance(0);
            if (priority === 'edit') expect(order.slice(before)).toContain(name);
          }
          await clock.advance(200_000);
          expect(new Set(order)).toEqual(new Set(steps.map(([name]) => name)));
          expect(subject.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('ResyncTimer', () => {
  it('queues every key exactly once per period, spread over it', async () => {
    const secrets = Array.from({ length: 200 }, (_, index) => secret(`key-${String(index)}`));
    const perTick: number[] = [];
    const seen = new Map<string, number>();
    let periods = 0;
    const timer = new ResyncTimer(
      120_000,
      clock,
      {
        add: ({ name }) => {
          seen.set(name, (seen.get(name) ?? 0) + 1);
          perTick[Math.floor(clock.monotonicMs() / 12_000)] =
            (perTick[Math.floor(clock.monotonicMs() / 12_000)] ?? 0) + 1;
        },
      },
      { secrets: () => secrets },
      { forgetMounts: () => (periods += 1) },
    );
    timer.start();
    await clock.advance(120_000);
    expect([...seen.values()].every((count) => count === 1)).toBe(true);
    expect(seen.size).toBe(200);
    expect(Math.max(...perTick)).toBeLessThan(45);
    await clock.advance(240_000);
    expect([...seen.values()].every((count) => count === 3)).toBe(true);
    expect(periods).toBe(3);
    timer.stop();
    await clock.advance(240_000);
    expect([...seen.values()].every((count) => count === 3)).toBe(true);
  });

  it('is off with a period of 0', () => {
    const timer = new ResyncTimer(
      0,
      clock,
      { add: () => undefined },
      { secrets: () => [] },
      { forgetMounts: () => undefined },
    );
    timer.start();
    expect(clock.waiting).toEqual([]);
  });
});

describe('a key that is not ready', () => {
  it('is held without being processed, and processed once when it is woken', async () => {
    const ready = new Set<string>();
    queue = make(2, ({ name }) => ready.has(name));
    queue.start(process);
    queue.add(key('a'), 'resync');
    queue.add(key('b'), 'resync');
    queue.add(key('a'), 'edit');
    await settled();
    expect(order).toEqual([]);
    expect(queue.size).toBe(2);
    ready.add('a');
    queue.wake();
    await settled();
    expect(order).toEqual(['a']);
    ready.add('b');
    queue.wake();
    queue.wake();
    await settled();
    expect(order).toEqual(['a', 'b']);
    expect(queue.size).toBe(0);
  });

  it('holds up no other', async () => {
    queue = make(1, ({ name }) => name !== 'held');
    queue.start(process);
    queue.add(key('held'), 'edit');
    queue.add(key('a'), 'resync');
    await settled();
    expect(order).toEqual(['a']);
  });

  it('keeps its place before what came later, as an edit', async () => {
    let open = false;
    queue = make(1, () => open);
    queue.start(process);
    queue.add(key('resync'), 'resync');
    queue.add(key('edit'), 'resync');
    queue.add(key('edit'), 'edit');
    await settled();
    open = true;
    queue.wake();
    await settled();
    expect(order[0]).toBe('edit');
  });

  it('is forgotten and given up like any other', async () => {
    queue = make(1, () => false);
    queue.start(process);
    queue.add(key('a'), 'edit');
    queue.add(key('b'), 'edit');
    queue.forget(key('a'));
    expect(queue.size).toBe(1);
    await queue.stop();
    expect(queue.size).toBe(0);
  });
});
