import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { type FreshWork, StaleCacheError } from '../../../src/runtime/write-gate.js';
import { Freshness, type WatchKey } from '../../../src/watch/freshness.js';
import { FakeClock } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

const LIMIT_MS = 90_000;

let clock: FakeClock;
let metrics: OperatorMetrics;
let logger: RecordingLogger;
let relisted: string[];
let changes: number;

beforeEach(() => {
  clock = new FakeClock();
  metrics = new OperatorMetrics(new Registry());
  logger = new RecordingLogger();
  relisted = [];
  changes = 0;
});

function make(namespaces?: readonly string[]): Freshness {
  const freshness = new Freshness(clock, logger, metrics, { check: () => undefined }, namespaces, {
    inactivityMs: LIMIT_MS,
  });
  freshness.onBehind(({ kind, namespace }) => relisted.push(`${kind} ${namespace}`));
  freshness.onChange(() => (changes += 1));
  return freshness;
}

const watchesOf = (namespace = ''): WatchKey[] => [
  { kind: SECRET_KIND, namespace },
  { kind: PARTIAL_KIND, namespace },
];

function listAll(freshness: Freshness, namespace = ''): void {
  for (const watch of watchesOf(namespace)) {
    freshness.listing(watch);
    freshness.listed(watch);
  }
}

/** Whether work that begins now in the namespace could write. */
function open(freshness: Freshness, namespace = 'team'): boolean {
  return isOpen(freshness.begin(namespace));
}

function isOpen(work: FreshWork): boolean {
  try {
    work.assertFresh();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(StaleCacheError);
    return false;
  }
}

const gauge = async (): Promise<number[]> =>
  (await metrics.watchSynced.get()).values.map(({ value }) => value);

describe('Freshness', () => {
  it('names the namespaces that were never listed', () => {
    const freshness = make(['a', 'b']);
    listAll(freshness, 'a');
    expect(freshness.unseen()).toEqual(['b']);
    freshness.demand();
    listAll(freshness, 'b');
    expect(freshness.unseen()).toEqual([]);
  });

  it('is open when both kinds have been listed, and reports it from the first scrape', async () => {
    const freshness = make();
    expect(await gauge()).toEqual([0, 0]);
    const [secrets, partials] = watchesOf();
    if (secrets === undefined || partials === undefined) throw new Error('two kinds');
    freshness.listing(secrets);
    freshness.listing(partials);
    freshness.listed(secrets);
    expect(open(freshness)).toBe(false);
    expect(freshness.problem()).toBe('the list of resources is not complete');
    expect(await gauge()).toEqual([1, 0]);
    freshness.listed(partials);
    expect(open(freshness)).toBe(true);
    expect(freshness.mayProcess({ namespace: 'team' })).toBe(true);
    expect(freshness.problem()).toBeUndefined();
    expect(await gauge()).toEqual([1, 1]);
  });

  it('requires a list that starts after the demand; a list in progress does not count', async () => {
    const freshness = make();
    listAll(freshness);
    for (const watch of watchesOf()) freshness.listing(watch);
    freshness.demand();
    expect(relisted).toEqual([`${SECRET_KIND} `, `${PARTIAL_KIND} `]);
    for (const watch of watchesOf()) freshness.listed(watch);
    expect(open(freshness)).toBe(false);
    expect(watchesOf().every((watch) => freshness.mustList(watch))).toBe(true);
    listAll(freshness);
    expect(open(freshness)).toBe(true);
    expect(watchesOf().some((watch) => freshness.mustList(watch))).toBe(false);
  });

  it('denies writes to work that began before the cache was stale', async () => {
    const freshness = make();
    listAll(freshness);
    const old = freshness.begin('team');
    freshness.demand();
    listAll(freshness);
    expect(isOpen(old)).toBe(false);
    expect(open(freshness)).toBe(true);
  });

  it('is closed from a missed change until the next list', async () => {
    const freshness = make();
    listAll(freshness);
    freshness.missed({ kind: PARTIAL_KIND, namespace: '' });
    expect(open(freshness)).toBe(false);
    freshness.listing({ kind: PARTIAL_KIND, namespace: '' });
    freshness.listed({ kind: PARTIAL_KIND, namespace: '' });
    expect(open(freshness)).toBe(true);
  });

  it('is closed when a watch was silent for longer than the limit, until that kind is listed', async () => {
    const freshness = make();
    listAll(freshness);
    await clock.advance(LIMIT_MS - 1);
    freshness.alive({ kind: SECRET_KIND, namespace: '' });
    expect(open(freshness)).toBe(true);
    await clock.advance(2);
    expect(open(freshness)).toBe(false);
    expect(relisted).toEqual([`${PARTIAL_KIND} `]);
    freshness.alive({ kind: PARTIAL_KIND, namespace: '' });
    expect(open(freshness)).toBe(false);
    freshness.listing({ kind: PARTIAL_KIND, namespace: '' });
    freshness.listed({ kind: PARTIAL_KIND, namespace: '' });
    expect(open(freshness)).toBe(true);
  });

  it('accepts a list that takes longer than the limit', async () => {
    const freshness = make();
    listAll(freshness);
    for (const watch of watchesOf()) freshness.listing(watch);
    await clock.advance(LIMIT_MS + 1);
    freshness.beat();
    expect(open(freshness)).toBe(false);
    expect(relisted).toEqual([]);
    for (const watch of watchesOf()) freshness.listed(watch);
    expect(open(freshness)).toBe(true);
  });

  it('stays open while a list fails, as long as the watch was alive a short while ago', async () => {
    const freshness = make();
    listAll(freshness);
    for (const watch of watchesOf()) {
      freshness.listing(watch);
      freshness.failed(watch, false);
    }
    expect(open(freshness)).toBe(true);
    await clock.advance(LIMIT_MS + 1);
    expect(open(freshness)).toBe(false);
  });

  it('checks work by its own namespace, and everything else by all namespaces', async () => {
    const freshness = make(['a', 'b']);
    listAll(freshness, 'a');
    for (const watch of watchesOf('b')) {
      freshness.listing(watch);
      freshness.failed(watch, true);
    }
    expect(open(freshness, 'a')).toBe(true);
    expect(open(freshness, 'b')).toBe(false);
    expect(isOpen(freshness.begin('unwatched'))).toBe(false);
    expect(freshness.mayProcess({ namespace: 'unwatched' })).toBe(false);
    listAll(freshness, 'b');
    expect(isOpen(freshness.begin('unwatched'))).toBe(true);
  });

  it('is ready without a namespace that the API server refuses, but not without any', () => {
    const freshness = make(['a', 'b']);
    const refuse = (namespace: string): void => {
      for (const watch of watchesOf(namespace)) {
        freshness.listing(watch);
        freshness.failed(watch, true);
      }
    };
    refuse('b');
    expect(freshness.problem()).toBe('the list of resources is not complete in a, b');
    refuse('a');
    expect(freshness.problem()).toBe('the list of resources is not complete in a, b');
    listAll(freshness, 'a');
    expect(freshness.problem()).toBeUndefined();
    expect(freshness.note()).toBe('the API server denies the list in b: not synced');
    for (const watch of watchesOf('b')) freshness.failed(watch, false);
    expect(freshness.problem()).toBe('the list of resources is not complete in b');
  });

  it('opens a namespace only after the others had time to answer, because they may own its paths', async () => {
    const freshness = make(['a', 'b']);
    listAll(freshness, 'a');
    expect(freshness.mayProcess({ namespace: 'a' })).toBe(false);
    await clock.advance(10_000);
    changes = 0;
    freshness.beat();
    expect(changes).toBe(1);
    expect(freshness.mayProcess({ namespace: 'a' })).toBe(true);
    expect(freshness.mayProcess({ namespace: 'b' })).toBe(false);
  });

  it('logs once that writes have been paused for long, and once when they resume', async () => {
    const freshness = make();
    listAll(freshness);
    freshness.demand();
    for (let beats = 0; beats < 20; beats += 1) {
      await clock.advance(1_000);
      freshness.beat();
    }
    const messages = (): string[] => logger.entries.map(({ message }) => message);
    expect(messages()).toEqual([
      'the cache may be stale; writes to Vault are paused until the resources are listed again',
    ]);
    listAll(freshness);
    expect(messages().slice(1)).toEqual(['the cache is current again; writes to Vault resume']);
  });
});
