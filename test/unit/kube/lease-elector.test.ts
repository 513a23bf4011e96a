import { describe, expect, it } from '@jest/globals';

import { LeaseWorld, pair } from './lease-world.js';

const HOUR_MS = 3_600_000;

describe('as client-go', () => {
  it('creates the lease with the usual numbers and renews it', async () => {
    const world = new LeaseWorld();
    const a = world.replica('a').start();
    await world.pass(100);
    expect(world.lease?.spec).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2024-01-01T00:00:00.040000Z',
      renewTime: '2024-01-01T00:00:00.040000Z',
      leaseTransitions: 0,
    });
    await world.pass(30_000);
    expect(world.lease?.spec).toMatchObject({
      acquireTime: '2024-01-01T00:00:00.040000Z',
      leaseTransitions: 0,
      renewTime: expect.stringMatching(/^2024-01-01T00:00:(28|29)\.\d{6}Z$/),
    });
    expect(a.changes).toEqual(['leading']);
    expect(a.elector.signal.aborted).toBe(false);
    // One write per renewal; a look only before the lease is created and before it counts.
    const looks = world.requests.filter((request) => request.startsWith('GET'));
    expect(looks).toHaveLength(2);
  });

  it('makes itself an identity of the host name and a UUID', () => {
    const { elector } = new LeaseWorld().replica('pod-1', { identity: undefined as never });
    expect(elector.identity).toMatch(/^pod-1_[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  it('keeps what else stands on the lease', async () => {
    const world = new LeaseWorld();
    world.overwrite({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 41 });
    if (world.lease !== undefined) world.lease.metadata.labels = { team: 'x' };
    world.replica('a').start();
    await world.pass(1_000);
    expect(world.lease).toMatchObject({
      metadata: { labels: { team: 'x' } },
      spec: { holderIdentity: 'a', leaseTransitions: 42 },
    });
  });

  it('writes events when it begins and stops to lead', async () => {
    const world = new LeaseWorld();
    const a = world.replica('a').start();
    await world.pass(4_000);
    const stopped = a.elector.stop({ release: true });
    await world.pass(1_000);
    await stopped;
    expect(world.events.map(({ message }) => message)).toEqual(['a became leader', 'a stopped leading']);
    expect(world.events[0]).toMatchObject({
      reason: 'LeaderElection',
      type: 'Normal',
      involvedObject: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        name: '39a50047.patoarvizu.dev',
        namespace: 'vault',
        uid: world.lease?.metadata.uid,
      },
    });
  });

  it('shows in metrics who leads', async () => {
    const { world, a, b } = await pair();
    expect(await a.metric('leader')).toBe(1);
    expect(await a.metric('leader_transitions_total')).toBe(1);
    expect(await a.metric('leader_last_renewal_timestamp_seconds')).toBeGreaterThan(
      Date.UTC(2024, 0, 1) / 1_000 + 3,
    );
    expect(await b.metric('leader')).toBe(0);
    expect(await b.metric('leader_transitions_total')).toBe(0);
    expect(await b.metric('leader_last_renewal_timestamp_seconds')).toBe(0);
    world.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 15 });
    await world.pass(5_000);
    expect(await a.metric('leader')).toBe(0);
  });
});

describe('taking over', () => {
  it.each([
    ['the same', 0],
    ['an hour ahead', HOUR_MS],
    ['an hour behind', -HOUR_MS],
  ])('leaves a living leader alone when its clock is %s', async (_, offsetMs) => {
    const { world, b } = await pair(offsetMs);
    await world.pass(5 * 60_000);
    expect(world.writers()).toEqual(['a']);
    expect(b.changes).toEqual([]);
  });

  it.each([
    ['the same', 0],
    ['an hour ahead', HOUR_MS],
    ['an hour behind', -HOUR_MS],
  ])('waits out the lease of a dead leader when its clock is %s', async (_, offsetMs) => {
    const { world, a } = await pair(offsetMs);
    a.clock.frozen = true;
    await world.pass(12_000);
    expect(world.writers()).toEqual([]);
    await world.pass(15_000 + 2_000 - 12_000 + 100);
    expect(world.writers()).toEqual(['b']);
    expect(world.lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  it('takes a released lease at the next look', async () => {
    const { world, a, b } = await pair();
    const stopped = a.elector.stop({ release: true });
    await world.pass(100);
    await stopped;
    expect(world.lease?.spec).toMatchObject({
      holderIdentity: '',
      leaseDurationSeconds: 1,
      leaseTransitions: 0,
    });
    expect(a.leads).toBe(false);
    await world.pass(2_000);
    expect(b.leads).toBe(true);
    expect(world.lease?.spec).toMatchObject({ leaseTransitions: 1 });
  });

  it('lets the lease run out when something may still be in flight', async () => {
    const { world, a, b } = await pair();
    const stopped = a.elector.stop({ release: false });
    await world.pass(100);
    await stopped;
    expect(a.leads).toBe(false);
    expect(world.lease?.spec?.holderIdentity).toBe('a');
    await world.pass(10_000);
    expect(b.leads).toBe(false);
    await world.pass(7_000);
    expect(b.leads).toBe(true);
  });

  it('does not lead after it retired, but renews what it holds', async () => {
    const { world, a, b } = await pair();
    a.elector.retire();
    b.elector.retire();
    await world.pass(60_000);
    expect(world.writers()).toEqual(['a']);
    const stopped = a.elector.stop({ release: true });
    await world.pass(60_000);
    await stopped;
    expect(world.writers()).toEqual([]);
  });

  it('gives the lease to one of two that reach for it at the same moment', async () => {
    const world = new LeaseWorld();
    world.replica('a').start();
    world.replica('b').start();
    await world.pass(60_000);
    expect(world.writers()).toHaveLength(1);
    expect(world.replicas.flatMap(({ changes }) => changes)).toEqual(['leading']);
  });
});

describe('what is missing', () => {
  it.each<[string, number, string]>([
    [
      'a permission',
      403,
      'RBAC denies get, create or update of the lease 39a50047.patoarvizu.dev in the namespace vault',
    ],
    ['credentials', 401, 'the API server does not accept the credentials'],
    ['an answer', 500, 'the API server answers 500'],
  ])('says once that %s is missing, and tries again', async (_, status, text) => {
    const world = new LeaseWorld();
    world.fault = () => status;
    const a = world.replica('a').start();
    await world.pass(60_000);
    expect(a.said('error')).toEqual(['cannot read or write the lease; will retry']);
    expect(a.logger.entries.find(({ level }) => level === 'error')?.facts.problem).toContain(text);
    world.fault = () => 429;
    await world.pass(60_000);
    expect(a.said('error')).toHaveLength(2);
    world.fault = undefined;
    await world.pass(5_000);
    expect(a.leads).toBe(true);
    expect(a.said('info')).toContain('can read and write the lease again');
  });

  it('names the namespace that does not exist', async () => {
    const world = new LeaseWorld();
    world.fault = (verb) => (verb === 'POST' ? 404 : undefined);
    const a = world.replica('a').start();
    await world.pass(10_000);
    expect(a.logger.entries.find(({ level }) => level === 'error')?.facts.problem).toContain(
      'the namespace vault does not exist',
    );
    expect(a.leads).toBe(false);
  });

  it('leads although it may not write events, and says so once', async () => {
    const world = new LeaseWorld();
    world.fault = (_, path) => (path.endsWith('/events') ? 403 : undefined);
    const a = world.replica('a').start();
    await world.pass(4_000);
    expect(a.leads).toBe(true);
    const stopped = a.elector.stop({ release: true });
    await world.pass(1_000);
    await stopped;
    expect(a.said('warn')).toEqual(['cannot write events on the lease']);
  });

  it('ends in time when the lease cannot be released', async () => {
    const { world, a } = await pair();
    world.fault = () => 'hang';
    const abort = new AbortController();
    const stopped = a.elector.stop({ release: true, signal: abort.signal });
    await world.pass(100);
    expect(a.leads).toBe(false);
    abort.abort();
    await world.pass(0);
    await stopped;
    expect(a.said('warn')).toContain(
      'could not release the lease; another replica can acquire it when it expires',
    );
  });
});
