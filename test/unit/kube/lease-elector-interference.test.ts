import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { LeaseWorld, pair } from './lease-world.js';

const HOUR_MS = 3_600_000;
const LONG_MS = 25_000;

describe('LeaseElector', () => {
  describe('somebody else at the lease', () => {
    it('yields to a thief at the next renewal, and waits the thief out', async () => {
      const { world, a } = await pair();
      world.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 30, leaseTransitions: 7 });
      await world.pass(2_100);
      expect(world.writers()).toEqual([]);
      expect(a.logger.entries.find(({ level }) => level === 'warn')?.facts).toMatchObject({
        why: 'the lease is held by thief',
      });
      await world.pass(25_000);
      expect(world.writers()).toEqual([]);
      await world.pass(6_000);
      expect(world.writers()).toHaveLength(1);
      expect(world.lease?.spec?.leaseTransitions).toBe(8);
    });

    it('re-creates a deleted lease; a standby that saw its holder does not take it', async () => {
      const { world, a, b } = await pair();
      world.lease = undefined;
      await world.pass(60_000);
      expect(world.writers()).toEqual(['a']);
      expect(a.changes).toEqual(['leading']);
      expect(b.changes).toEqual([]);
      expect(world.lease).toMatchObject({ spec: { holderIdentity: 'a' } });
    });

    it('does not re-create a deleted lease that another replica may have acquired before', async () => {
      const { world, a, b } = await pair();
      a.clock.frozen = true;
      await world.pass(15_000);
      while (!b.leads) await world.pass(100);
      world.lease = undefined;
      a.clock.frozen = false;
      await world.pass(60_000);
      expect(world.writers()).toEqual(['b']);
      expect(a.changes).toEqual(['leading', 'standby']);
    });

    it('takes a deleted lease when its holder is dead', async () => {
      const { world, a } = await pair();
      a.clock.frozen = true;
      world.lease = undefined;
      await world.pass(LONG_MS);
      expect(world.writers()).toEqual(['b']);
    });

    it('notices that the same rubbish was written again over the lease of a new leader', async () => {
      const world = new LeaseWorld();
      const rubbish = { leaseDurationSeconds: 'x' };
      world.overwrite(rubbish);
      world.replica('early', { random: () => 0 }).start();
      world.replica('late', { random: () => 1, retryPeriodMs: 20_000, leaseDurationMs: 15_500 }).start();
      await world.pass(15_200);
      expect(world.writers()).toEqual(['early']);
      world.overwrite(rubbish);
      await world.pass(800);
      expect(world.writers()).toEqual(['early']);
      await world.pass(60_000);
      expect(world.writers()).toHaveLength(1);
    });

    it.each<[string, Record<string, unknown>]>([
      ['nothing', {}],
      ['an empty holder', { holderIdentity: '', leaseDurationSeconds: 15 }],
      [
        'no numbers',
        { holderIdentity: 'x', leaseDurationSeconds: 'soon', leaseTransitions: -3, renewTime: 'x' },
      ],
      [
        'the wrong types',
        { holderIdentity: 7, leaseDurationSeconds: -1, leaseTransitions: 1e300, renewTime: {} },
      ],
      ['a duration of years', { holderIdentity: 'x', leaseDurationSeconds: 2_000_000_000 }],
      [
        'the last transition',
        { holderIdentity: 'x', leaseDurationSeconds: 15, leaseTransitions: 2 ** 31 - 1 },
      ],
    ])('has one leader again after rubbish: %s', async (_, spec) => {
      const { world } = await pair();
      world.overwrite(spec);
      await world.pass(11 * 60_000);
      expect(world.writers()).toHaveLength(1);
      const { holderIdentity, leaseTransitions } = world.lease?.spec ?? {};
      expect(holderIdentity).toBe(world.writers()[0]);
      expect(Number.isInteger(leaseTransitions)).toBe(true);
      expect(leaseTransitions).toBeLessThan(2 ** 31);
    });

    it('has at most one writer, and in the end one, whatever happens', async () => {
      const step = fc.oneof(
        fc.record({ what: fc.constantFrom('freeze', 'thaw'), who: fc.nat(2), ms: fc.nat(20_000) }),
        fc.record({
          what: fc.constantFrom('hang', 'refuse', 'heal', 'delete', 'steal', 'rubbish', 'wait'),
          who: fc.constant(0),
          ms: fc.nat(20_000),
        }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const world = new LeaseWorld();
          for (const [i, name] of ['a', 'b', 'c'].entries()) {
            world.replica(name, { wallOffsetMs: i * HOUR_MS, random: () => i / 3 }).start();
          }
          await world.pass(5_000);
          for (const { what, who, ms } of steps) {
            const clock = world.replicas[who]?.clock;
            if (clock !== undefined && what === 'freeze') clock.frozen = true;
            if (clock !== undefined && what === 'thaw') clock.frozen = false;
            if (what === 'hang') world.fault = () => 'hang';
            if (what === 'refuse') world.fault = () => 403;
            if (what === 'heal') world.fault = undefined;
            if (what === 'delete') world.lease = undefined;
            if (what === 'steal') world.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 15 });
            if (what === 'rubbish') world.overwrite({ leaseDurationSeconds: 'x' });
            await world.pass(ms);
          }
          world.fault = undefined;
          for (const { clock } of world.replicas) clock.frozen = false;
          await world.pass(40_000);
          expect(world.writers()).toHaveLength(1);
        }),
        { numRuns: 200 },
      );
      // Half a minute of work where other tests run beside it.
    }, 120_000);
  });
});
