import { describe, expect, it } from '@jest/globals';

import { API_VERSION, SECRET_KIND } from '../../../src/api/group.js';
import type { KMSVaultSecret } from '../../../src/api/resources.js';
import { ResyncTimer } from '../../../src/queue/resync-timer.js';
import { FakeClock } from '../../support/fake-clock.js';

const secret = (name: string): KMSVaultSecret => ({
  apiVersion: API_VERSION,
  kind: SECRET_KIND,
  metadata: { namespace: 'default', name, uid: name, resourceVersion: '1' },
  spec: { path: name, kvSettings: { engineVersion: 'v1' } },
});

describe('ResyncTimer', () => {
  it('queues every key exactly once per period, spread over the period', async () => {
    const clock = new FakeClock();
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

  it('works out the slot of a key once, not at every tick', async () => {
    const clock = new FakeClock();
    let looks = 0;
    const { metadata, ...rest } = secret('web');
    const watched: KMSVaultSecret = {
      ...rest,
      get metadata() {
        looks += 1;
        return metadata;
      },
    };
    let queued = 0;
    const timer = new ResyncTimer(
      120_000,
      clock,
      { add: () => (queued += 1) },
      { secrets: () => [watched] },
      { forgetMounts: () => undefined },
    );
    timer.start();
    await clock.advance(1_000);
    const ofSlot = looks;
    queued = 0;
    await clock.advance(240_000);
    expect(queued).toBe(2);
    // The name of what is queued, and nothing else.
    expect(looks - ofSlot).toBeLessThanOrEqual(2 * ofSlot);
    timer.stop();
  });

  it('does nothing with a period of 0', () => {
    const clock = new FakeClock();
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
