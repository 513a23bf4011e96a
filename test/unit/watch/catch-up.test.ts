import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { type FreshWork, StaleCacheError } from '../../../src/runtime/write-gate.js';
import { Freshness, type WatchKey } from '../../../src/watch/freshness.js';
import { FakeClock } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

const WATCHES: readonly WatchKey[] = [
  { kind: SECRET_KIND, namespace: '' },
  { kind: PARTIAL_KIND, namespace: '' },
];

function listAll(freshness: Freshness): void {
  for (const watch of WATCHES) {
    freshness.listing(watch);
    freshness.listed(watch);
  }
}

function failAll(freshness: Freshness, refused: boolean): void {
  for (const watch of WATCHES) {
    freshness.listing(watch);
    freshness.failed(watch, refused);
  }
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

describe('work that outlives a new list', () => {
  const work = async (freshness: Freshness, meanwhile: () => void, isUnchanged = true): Promise<unknown> => {
    const begun = freshness.begin('team');
    meanwhile();
    try {
      const waited = await begun.catchUp(() => Promise.resolve(isUnchanged));
      return { waited, open: isOpen(begun) };
    } catch (error) {
      expect(error).toBeInstanceOf(StaleCacheError);
      return 'stale';
    }
  };
  const fresh = (): Freshness => {
    const metrics = new OperatorMetrics(new Registry());
    const freshness = new Freshness(clock, silentLogger, metrics, { check: () => undefined });
    listAll(freshness);
    return freshness;
  };

  it('waits for nothing while the cache is fresh', async () => {
    expect(await work(fresh(), () => undefined)).toEqual({ waited: false, open: true });
  });

  it('goes on once the list is complete, unless it shows something else', async () => {
    for (const isUnchanged of [true, false]) {
      const freshness = fresh();
      const ended = work(
        freshness,
        () => {
          freshness.demand();
        },
        isUnchanged,
      );
      listAll(freshness);
      expect(await ended).toEqual(isUnchanged ? { waited: true, open: true } : 'stale');
    }
  });

  it('goes on although the list was complete before it asked', async () => {
    const freshness = fresh();
    const relist = (): void => {
      freshness.demand();
      listAll(freshness);
    };
    expect(await work(freshness, relist)).toEqual({ waited: true, open: true });
  });

  it('is compared again when one more list was made during the comparison', async () => {
    const freshness = fresh();
    const begun = freshness.begin('team');
    const relist = (): void => {
      freshness.demand();
      listAll(freshness);
    };
    relist();
    const answers: boolean[] = [];
    const caughtUp = begun.catchUp(() => {
      answers.push(answers.length === 0);
      if (answers.length === 1) relist();
      return Promise.resolve(answers.at(-1) === true);
    });
    await expect(caughtUp).rejects.toBeInstanceOf(StaleCacheError);
    expect([answers, isOpen(begun)]).toEqual([[true, false], false]);
  });

  it.each(['before', 'after'])('gives up where the API server refuses the list, %s it asks', async (when) => {
    const freshness = fresh();
    const ended = work(freshness, () => {
      freshness.demand();
      if (when === 'before') failAll(freshness, true);
    });
    if (when === 'after') failAll(freshness, true);
    expect(await ended).toBe('stale');
  });

  it('waits on although a list fails in another way', async () => {
    const freshness = fresh();
    const ended = work(freshness, () => {
      freshness.demand();
    });
    failAll(freshness, false);
    listAll(freshness);
    expect(await ended).toEqual({ waited: true, open: true });
  });

  it('gives up where no list is complete in time', async () => {
    const freshness = fresh();
    const ended = work(freshness, () => {
      freshness.demand();
    });
    await clock.advance(30_000);
    expect(await ended).toBe('stale');
  });
});
