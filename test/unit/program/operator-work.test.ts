import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import type { ResourceKey } from '../../../src/api/resource-key.js';
import { IndexedResourceCache } from '../../../src/kube/resource-cache.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { OperatorWork } from '../../../src/program/operator-work.js';
import type { Outcome } from '../../../src/queue/outcome.js';
import type { LeadershipListener, LeaseElector } from '../../../src/kube/lease-elector.js';
import { ReconcileQueue } from '../../../src/queue/reconcile-queue.js';
import type { ResyncTimer } from '../../../src/queue/resync-timer.js';
import type { Reconciler } from '../../../src/reconcile/reconciler.js';
import { Lifecycle } from '../../../src/runtime/lifecycle.js';
import { Freshness } from '../../../src/watch/freshness.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

/** As many as may be processed at once: the default of 10, and the share of edits. */
const ALL_WORKERS = 12;

const keyIn = (namespace: string, name: string): ResourceKey => ({ kind: SECRET_KIND, namespace, name });

/** The queue and the freshness of two namespaces, with work that waits for KMS before it asks for a fresh cache. */
class WorkFixture {
  readonly clock = new FakeClock();
  readonly finished: string[] = [];
  readonly queue: ReconcileQueue;
  readonly freshness: Freshness;
  private decrypted: () => void = () => undefined;
  private readonly kms = new Promise<void>((resolve) => (this.decrypted = resolve));

  constructor(elector?: Pick<LeaseElector, 'start' | 'isLeading'>) {
    const metrics = new OperatorMetrics(new Registry());
    const stalls = { check: (): void => undefined };
    this.freshness = new Freshness(this.clock, silentLogger, metrics, stalls, ['a', 'b']);
    this.queue = new ReconcileQueue(10, this.clock, silentLogger, metrics, this.freshness);
    const work = new OperatorWork(
      this.queue,
      { start: () => undefined, stop: () => undefined } as unknown as ResyncTimer,
      {
        reconcile: (key: ResourceKey) => this.reconcile(key),
        beginTerm: () => undefined,
        endTerm: () => undefined,
      } as unknown as Reconciler,
      this.freshness,
      new IndexedResourceCache(),
      silentLogger,
      new Lifecycle(),
      elector as LeaseElector | undefined,
    );
    work.start();
    this.list('a');
    this.list('b');
  }

  list(namespace: string, end: 'listed' | 'refused' = 'listed'): void {
    for (const kind of [SECRET_KIND, PARTIAL_KIND] as const) {
      this.freshness.listing({ kind, namespace });
      if (end === 'listed') this.freshness.listed({ kind, namespace });
      else this.freshness.failed({ kind, namespace }, true);
    }
  }

  decrypt(): void {
    this.decrypted();
  }

  private async reconcile({ namespace, name }: ResourceKey): Promise<Outcome> {
    const work = this.freshness.begin(namespace);
    if (namespace === 'b') await this.kms;
    const result = await work
      .catchUp(() => Promise.resolve(true))
      .then(
        () => 'synced' as const,
        () => 'stale' as const,
      );
    this.finished.push(`${namespace}/${name} ${result}`);
    return { result };
  }
}

describe('a namespace whose list does not come while its keys are processed', () => {
  it.each(['is refused', 'does not end'])('holds up no other namespace: the list %s', async (list) => {
    const fixture = new WorkFixture();
    for (let index = 0; index < ALL_WORKERS; index += 1) fixture.queue.add(keyIn('b', String(index)), 'edit');
    await settled();
    fixture.freshness.demand();
    fixture.list('a');
    if (list === 'is refused') fixture.list('b', 'refused');
    fixture.decrypt();
    // How long a namespace waits for the lists of the others, which may own its paths.
    await fixture.clock.advance(10_000);
    fixture.freshness.beat();
    fixture.queue.add(keyIn('a', 'edit'), 'edit');
    fixture.queue.add(keyIn('a', 'resync'), 'resync');
    await settled();
    const inA = fixture.finished.filter((line) => line.startsWith('a/'));
    expect(inA).toEqual(['a/edit synced', 'a/resync synced']);
    if (list === 'does not end') {
      expect(fixture.finished).toEqual(inA);
      fixture.list('b');
      await settled();
      const inB = fixture.finished.filter((line) => /^b.*synced$/.test(line));
      expect(inB).toHaveLength(ALL_WORKERS);
    }
  });
});

it('each term of leadership begins with a new list of every namespace, before anything is written', async () => {
  let listener: LeadershipListener | undefined;
  const fixture = new WorkFixture({ start: (given) => (listener = given), isLeading: () => true });
  for (let term = 1; term <= 2; term += 1) {
    fixture.queue.add(keyIn('a', String(term)), 'edit');
    listener?.onLeading();
    await settled();
    expect(fixture.finished).toHaveLength(term - 1);
    expect(fixture.freshness.problem()).toContain('a, b');
    fixture.list('a');
    fixture.list('b');
    await settled();
    expect(fixture.finished.at(-1)).toBe(`a/${String(term)} synced`);
    listener?.onStandby();
  }
});
