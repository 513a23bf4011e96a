import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { container as rootContainer } from 'tsyringe';

import { SECRET_KIND } from '../../../src/api/group.js';
import type { ResourceKey } from '../../../src/api/resource-key.js';
import { registerVault } from '../../../src/composition/vault.js';
import type { OperatorConfig } from '../../../src/config/config.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { Outcome } from '../../../src/queue/outcome.js';
import { ReconcileQueue } from '../../../src/queue/reconcile-queue.js';
import { TOKENS } from '../../../src/tokens.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

const key = (name: string): ResourceKey => ({ kind: SECRET_KIND, namespace: 'default', name });

describe('an edit during a backlog', () => {
  let queue: ReconcileQueue;
  let clock: FakeClock;
  let running: Map<string, (outcome: Outcome) => void>;

  function make(concurrency: number): void {
    const metrics = new OperatorMetrics(new Registry());
    clock = new FakeClock();
    queue = new ReconcileQueue(concurrency, clock, silentLogger, metrics, {
      mayProcess: () => true,
    });
    for (let index = 0; index < 100; index += 1) queue.add(key(`backlog-${String(index)}`), 'resync');
    queue.start(({ name }) => new Promise((resolve) => running.set(name, resolve)));
  }

  async function finish(name: string): Promise<void> {
    running.get(name)?.({ result: 'synced' });
    running.delete(name);
    await settled();
  }

  const backlog = (): string[] => [...running.keys()].filter((name) => name.startsWith('backlog'));

  beforeEach(() => {
    running = new Map();
  });

  it('starts although all workers are busy, up to a quarter more', () => {
    make(8);
    expect(backlog()).toHaveLength(8);
    for (const name of ['a', 'b', 'c']) queue.add(key(name), 'edit');
    expect(running.size).toBe(10);
    expect([...running.keys()]).toEqual(expect.arrayContaining(['a', 'b']));
    expect(queue.isEditing).toBe(true);
  });

  it('leaves a quarter of the workers to the backlog until it is done', async () => {
    make(8);
    queue.add(key('edit'), 'edit');
    for (const name of backlog().slice(2)) await finish(name);
    expect(backlog()).toHaveLength(2);
    for (const name of backlog()) await finish(name);
    expect(backlog()).toHaveLength(2);
    await finish('edit');
    expect(queue.isEditing).toBe(false);
    expect(backlog()).toHaveLength(8);
  });

  it('does not count resources that wait for a quota', async () => {
    make(8);
    queue.lend(8);
    queue.add(key('edit'), 'edit');
    for (const name of backlog()) await finish(name);
    expect(running.size).toBe(16);
  });

  it.each([1, 8, 40])('has a connection of its own beside all others with %d workers', (concurrency) => {
    make(concurrency);
    queue.lend(concurrency);
    for (let index = 0; index < concurrency / 4; index += 1) queue.add(key(`edit-${String(index)}`), 'edit');
    // What waited goes on.
    queue.lend(0);
    expect(running.size).toBeGreaterThan(concurrency);
    const config = { vault: {}, auth: {}, maxConcurrentReconciles: concurrency } as OperatorConfig;
    const container = rootContainer.createChildContainer();
    registerVault(container, config);
    expect(container.resolve<number>(TOKENS.vaultMaxSockets)).toBeGreaterThanOrEqual(running.size);
  });

  it.each([1, 2, 3])('waits for a worker when there are only %d', async (concurrency) => {
    make(concurrency);
    queue.add(key('edit'), 'edit');
    expect([...running.keys()]).not.toContain('edit');
    await finish('backlog-0');
    expect([...running.keys()]).toContain('edit');
    expect(running.size).toBe(concurrency);
  });

  describe('lets other work in process give way', () => {
    let isOver: boolean;

    async function giveWay(priority: 'edit' | 'resync' = 'resync'): Promise<void> {
      isOver = false;
      void queue.giveWay(priority).then(() => (isOver = true));
      await settled();
    }

    beforeEach(() => {
      make(8);
      queue.add(key('edit'), 'edit');
    });

    it('until the edit is done', async () => {
      await giveWay();
      expect(isOver).toBe(false);
      await finish('edit');
      expect(isOver).toBe(true);
    });

    it('but only for a moment, so that a stream of edits does not stop it', async () => {
      await giveWay();
      await clock.advance(249);
      expect(isOver).toBe(false);
      await clock.advance(1);
      expect(isOver).toBe(true);
    });

    it.each(['quota', 'list'] as const)('not to an edit that waits for a %s itself', async (what) => {
      await giveWay();
      queue.lend(1, what);
      await settled();
      expect(isOver).toBe(true);
      await giveWay();
      expect(isOver).toBe(true);
    });

    it('and not to another edit, and not when it stops', async () => {
      await giveWay('edit');
      expect(isOver).toBe(true);
      await giveWay();
      void queue.stop();
      await settled();
      expect(isOver).toBe(true);
      await giveWay();
      expect(isOver).toBe(true);
    });
  });
});
