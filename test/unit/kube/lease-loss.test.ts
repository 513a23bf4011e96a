import { describe, expect, it } from '@jest/globals';

import { LeaseWorld, pair } from './lease-world.js';
/** Longer than anything takes to settle: the lease, a retry and some requests. */
const LONG_MS = 25_000;

describe('losing the lease', () => {
  it('stops before the lease ends when the API server is gone, and leads again when it is back', async () => {
    const { world, a, b } = await pair();
    const { signal } = a.elector;
    world.fault = () => 'hang';
    await world.pass(12_000);
    expect(signal.aborted).toBe(true);
    expect(world.writers()).toEqual([]);
    await world.pass(60_000);
    expect(world.writers()).toEqual([]);
    world.fault = undefined;
    await world.pass(LONG_MS);
    expect(world.writers()).toHaveLength(1);
    expect([...a.changes, ...b.changes].filter((change) => change === 'standby')).toEqual(['standby']);
    expect(a.said('warn')).toContain('no longer the leader; standing by');
    expect(a.said('error')).toEqual(['cannot read or write the lease; will retry']);
    expect(a.said('info')).toContain('can read and write the lease again');
  });

  it('survives an outage that is shorter than the renew deadline', async () => {
    const { world, a } = await pair();
    world.fault = () => 503;
    await world.pass(7_000);
    world.fault = undefined;
    await world.pass(10_000);
    expect(a.changes).toEqual(['leading']);
  });

  it('renews in time although one request hangs', async () => {
    const { world, a } = await pair();
    let hung = 0;
    world.fault = (verb) => (verb === 'PUT' && (hung += 1) === 1 ? 'hang' : undefined);
    await world.pass(LONG_MS);
    expect(hung).toBeGreaterThan(1);
    expect(a.changes).toEqual(['leading']);
  });

  it('goes on when the answer to a renewal was lost', async () => {
    const { world, a } = await pair();
    const before = world.lease?.metadata.resourceVersion;
    let lost = false;
    world.fault = (verb) => {
      if (verb !== 'PUT' || lost) return undefined;
      lost = true;
      // The write counts, its answer does not come.
      world.overwrite({ ...world.lease?.spec, renewTime: '2024-01-01T01:00:00.000000Z' });
      return 500;
    };
    await world.pass(5_000);
    expect(world.lease?.metadata.resourceVersion).not.toBe(before);
    expect(a.changes).toEqual(['leading']);
  });

  it('writes nothing after a freeze before it holds the lease again', async () => {
    const { world, a, b } = await pair();
    const { signal } = a.elector;
    a.clock.frozen = true;
    await world.pass(LONG_MS);
    expect(b.leads).toBe(true);
    a.clock.frozen = false;
    expect(() => {
      a.elector.assertOpen();
    }).toThrow('not the leader');
    await world.pass(60_000);
    expect(signal.aborted).toBe(true);
    expect(world.writers()).toEqual(['b']);
    expect(a.changes).toEqual(['leading', 'standby']);
  });

  it('does not lead by the answer to a request from before a freeze', async () => {
    const world = new LeaseWorld();
    world.overwrite({ holderIdentity: '', leaseDurationSeconds: 1 });
    const a = world.replica('a').start();
    // Taken; the answer is on its way.
    await world.pass(65);
    expect(world.lease?.spec?.holderIdentity).toBe('a');
    expect(a.leads).toBe(false);
    a.clock.frozen = true;
    await world.pass(12_000);
    a.clock.frozen = false;
    await world.time.advance(0);
    expect(a.leads).toBe(false);
    await world.pass(5_000);
    expect(a.leads).toBe(true);
  });

  it('gives back a lease that it created and never led by', async () => {
    const world = new LeaseWorld();
    const a = world.replica('a').start();
    await world.pass(1_000);
    expect(world.lease?.spec?.holderIdentity).toBe('a');
    expect(a.leads).toBe(false);
    const stopped = a.elector.stop({ release: true });
    await world.pass(1_000);
    await stopped;
    expect(world.lease?.spec?.holderIdentity).toBe('');
    expect(a.changes).toEqual([]);
  });
});
