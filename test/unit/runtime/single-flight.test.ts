import { describe, expect, it } from '@jest/globals';

import { SingleFlight } from '../../../src/runtime/single-flight.js';

const gaveUp = (): Error => new Error('gave up');

/** Work that ends when the test ends it. */
class Work {
  readonly signals: AbortSignal[] = [];
  private readonly ends: ((text: string) => void)[] = [];

  readonly run = (giveUp: AbortSignal): Promise<string> => {
    this.signals.push(giveUp);
    return new Promise((resolve) => this.ends.push(resolve));
  };

  end(text: string): void {
    for (const end of this.ends.splice(0)) end(text);
  }
}

describe('SingleFlight', () => {
  it('does the work once for all who ask meanwhile, and again afterwards', async () => {
    let ends = 0;
    const flights = new SingleFlight<string>(() => void (ends += 1));
    const work = new Work();
    const both = [flights.run('a', work.run), flights.run('a', work.run), flights.run('b', work.run)];
    expect(work.signals).toHaveLength(2);
    expect(flights.isUnderWay('a')).toBe(true);
    work.end('done');
    expect(await Promise.all(both)).toEqual(['done', 'done', 'done']);
    expect([flights.isUnderWay('a'), ends, work.signals.some(({ aborted }) => aborted)]).toEqual([
      false,
      2,
      false,
    ]);
    const again = flights.run('a', work.run);
    expect(work.signals).toHaveLength(3);
    work.end('again');
    expect(await again).toBe('again');
  });

  it('is not in progress any more when its callers continue', async () => {
    const flights = new SingleFlight<string>();
    await expect(flights.run('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(flights.isUnderWay('a')).toBe(false);
  });

  it('goes on for the others when the one who began it gives up', async () => {
    const flights = new SingleFlight<string>();
    const work = new Work();
    const [first, second] = [new AbortController(), new AbortController()];
    const begun = flights.run('a', work.run, { signal: first.signal, reason: gaveUp });
    const joined = flights.run('a', work.run, { signal: second.signal, reason: gaveUp });
    first.abort();
    await expect(begun).rejects.toThrow('gave up');
    expect(work.signals.map(({ aborted }) => aborted)).toEqual([false]);
    work.end('done');
    expect(await joined).toBe('done');
  });

  it('ends the work when the last caller gives up, and starts again for the next', async () => {
    const flights = new SingleFlight<string>();
    const work = new Work();
    const only = new AbortController();
    const begun = flights.run('a', work.run, { signal: only.signal, reason: gaveUp });
    only.abort();
    await expect(begun).rejects.toThrow('gave up');
    expect(work.signals.map(({ aborted }) => aborted)).toEqual([true]);
    const next = flights.run('a', work.run);
    expect(work.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    work.end('done');
    expect(await next).toBe('done');
    expect(flights.isUnderWay('a')).toBe(false);
  });

  it('begins nothing for one who has given up before', async () => {
    const flights = new SingleFlight<string>();
    const work = new Work();
    const waiter = { signal: AbortSignal.abort(), reason: gaveUp };
    await expect(flights.run('a', work.run, waiter)).rejects.toThrow('gave up');
    expect(work.signals).toHaveLength(0);
  });
});
