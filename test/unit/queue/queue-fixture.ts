import { Registry } from 'prom-client';

import { SECRET_KIND } from '../../../src/api/group.js';
import type { ResourceKey } from '../../../src/api/resource-key.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { Outcome } from '../../../src/queue/outcome.js';
import { ReconcileQueue } from '../../../src/queue/reconcile-queue.js';
import type { Processor } from '../../../src/queue/work-queue.js';
import { FakeClock } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

export const key = (name: string): ResourceKey => ({ kind: SECRET_KIND, namespace: 'default', name });

/** A queue on a clock that the test moves, and a processor that records what it gets. */
export class QueueFixture {
  readonly clock = new FakeClock();
  /** Names in the order in which they were processed. */
  readonly order: string[] = [];
  /** The most names that were processed at the same time. */
  peak = 0;
  /** What a key's processing waits for and gives; at once and nothing when absent. */
  readonly behaviour = new Map<string, () => Promise<Outcome>>();
  readonly queue: ReconcileQueue;
  private readonly running = new Set<string>();

  constructor(concurrency = 1, isReady: (key: ResourceKey) => boolean = () => true) {
    this.queue = new ReconcileQueue(
      concurrency,
      this.clock,
      silentLogger,
      new OperatorMetrics(new Registry()),
      { mayProcess: isReady },
      () => 1,
    );
  }

  readonly process: Processor = async ({ name }) => {
    if (this.running.has(name)) throw new Error(`${name} is processed twice at once`);
    this.running.add(name);
    this.peak = Math.max(this.peak, this.running.size);
    this.order.push(name);
    try {
      return (await this.behaviour.get(name)?.()) ?? { result: 'synced' };
    } finally {
      this.running.delete(name);
    }
  };
}
