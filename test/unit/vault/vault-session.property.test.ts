import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { VaultError } from '../../../src/vault/vault-error.js';
import { down, READ, refused, renewed, SessionFixture } from './session-fixture.js';
const LOGINS = ['ok', 'short', 'fixed', 'down', 'slow', 'refused'] as const;
const RENEWALS = ['ok', 'short', 'refused', 'down'] as const;

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

describe('VaultSession under any sequence of failures', () => {
  it('always has a timer or a request in flight, and recovers with Vault, however early timers fire', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            login: fc.constantFrom(...LOGINS),
            renewal: fc.constantFrom(...RENEWALS),
            revoked: fc.boolean(),
            asks: fc.boolean(),
            forMs: fc.constantFrom(1, 400, 10_000, 150_000, 400_000, 900_000),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.boolean(),
        fc.constantFrom(0, 0.3, 0.999),
        async (steps, ours, earlyMs) => {
          fixture = new SessionFixture(undefined, earlyMs);
          const play = (step: (typeof steps)[number]): void => {
            fixture.authenticator.token = () => {
              if (step.login === 'down') throw down;
              if (step.login === 'slow') throw new VaultError('unavailable', 'HTTP 503', {}, 86_400_000);
              if (step.login === 'refused') throw refused;
              return {
                ours,
                ttlSeconds: step.login === 'short' ? 5 : 600,
                renewable: step.login !== 'fixed',
              };
            };
            fixture.vault.renewal = () => {
              if (step.renewal === 'down') throw down;
              if (step.renewal === 'refused') return { status: 400, text: '{"errors":["x"]}' };
              return renewed(step.renewal === 'short' ? 20 : 600);
            };
            fixture.vault.answer = () =>
              step.revoked
                ? { status: 403, text: '{"errors":["permission denied"]}' }
                : { status: 200, text: '{}' };
          };
          const first = steps[0];
          if (first !== undefined) play(first);
          const session = await fixture.started();
          const isCaredFor = (): void => {
            const { clock, vault, authenticator } = fixture;
            expect(clock.waiting.length + vault.inFlight + authenticator.inFlight).toBeGreaterThan(0);
          };
          isCaredFor();
          for (const step of steps) {
            play(step);
            if (step.asks) await session.request(READ).catch(() => undefined);
            isCaredFor();
            for (let part = 0; part < 10; part += 1) {
              await fixture.clock.advance(step.forMs / 10);
              isCaredFor();
            }
          }
          play({ login: 'ok', renewal: 'ok', revoked: false, asks: false, forMs: 1 });
          // The longest pause after refused logins of a method that does not lock anybody out.
          await fixture.clock.advance(5 * 60_000 + 1_000);
          expect(session.problem()).toBeUndefined();
          expect((await session.request(READ)).status).toBe(200);
          await session.stop();
          expect(fixture.clock.waiting).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
