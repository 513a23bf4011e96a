import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Registry } from 'prom-client';

import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { VaultToken } from '../../../src/vault/authenticator.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';
import { VaultSession } from '../../../src/vault/vault-session.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const UNKNOWN = [
  ['permission denied'],
  ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'],
  ['bad token'],
];
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NO_PERMISSION = JSON.stringify({ errors: ['1 error occurred:\n\t* permission denied\n\n'] });

/** A Vault, and an auth method of it, that behave as told. */
class Scripted {
  logins = 0;
  inFlight = 0;
  /** Answers come after it. */
  hold: Promise<void> | undefined;
  readonly seen: VaultRequest[] = [];
  login: () => VaultToken = () => this.token({});
  answer: (request: VaultRequest) => VaultResponse = () => ({ status: 200, text: '{}' });
  renewal: () => VaultResponse = () => ({ status: 200, text: '{"auth":{"lease_duration":600}}' });

  token(of: Partial<VaultToken>): VaultToken {
    const token = `t${String(this.logins)}`;
    return { token, ttlSeconds: 600, renewable: true, ours: true, mayLookUp: true, ...of };
  }

  readonly authenticator = {
    login: () =>
      this.during(() => {
        this.logins += 1;
        return this.login();
      }),
  };

  request(request: VaultRequest): Promise<VaultResponse> {
    this.seen.push(request);
    return this.during(() => (request.operation === 'token_renew' ? this.renewal() : this.answer(request)));
  }

  private async during<T>(act: () => T): Promise<T> {
    this.inFlight += 1;
    await this.hold;
    this.inFlight -= 1;
    return act();
  }
}

let clock: FakeClock;
let vault: Scripted;
let logger: RecordingLogger;

beforeEach(() => {
  clock = new FakeClock();
  vault = new Scripted();
});

async function started(stopping?: AbortSignal, random = 0.5): Promise<VaultSession> {
  logger = new RecordingLogger();
  const session = new VaultSession(
    vault,
    vault.authenticator,
    'approle',
    clock,
    logger,
    new OperatorMetrics(new Registry()),
    stopping,
    () => random,
  );
  session.start();
  await settled();
  return session;
}

/** Refuses tokens that are younger than this. */
function lagBy(ms: number, errors: readonly string[] = UNKNOWN[0] ?? []): void {
  let bornMs = 0;
  vault.login = () => {
    bornMs = clock.monotonicMs();
    return vault.token({ ttlSeconds: 3_600 });
  };
  vault.answer = () =>
    clock.monotonicMs() - bornMs < ms
      ? { status: 403, text: JSON.stringify({ errors }) }
      : { status: 200, text: '{"data":{"ttl":3600,"renewable":true}}' };
}

describe('VaultSession right after a login', () => {
  it.each(UNKNOWN)('waits for the token to be known, without another login: %j', async (text) => {
    lagBy(25_000, [text]);
    const session = await started();
    for (let second = 0; second < 25; second += 1) {
      await expect(session.request(READ)).rejects.toMatchObject({ failure: 'unavailable', retry: 'soon' });
      await clock.advance(1_000);
    }
    expect((await session.request(READ)).status).toBe(200);
    expect(vault.logins).toBe(1);
    expect(vault.seen.filter(({ operation }) => operation === 'token_lookup')).toEqual([]);
  });

  it('gives a slow replication more time with each login, and logs in rarely', async () => {
    lagBy(50_000);
    const session = await started();
    let isKnown = false;
    for (let second = 0; second < 300 && !isKnown; second += 1) {
      isKnown = await session.request(READ).then(
        ({ status }) => status === 200,
        () => false,
      );
      await clock.advance(1_000);
    }
    expect(isKnown).toBe(true);
    expect(vault.logins).toBeLessThanOrEqual(3);
  });

  it('finds a missing permission at once, says that it may pass, and no more half a minute later', async () => {
    vault.answer = () => ({ status: 403, text: NO_PERMISSION });
    const session = await started();
    expect(await session.request(READ)).toMatchObject({ status: 403, mayPass: true });
    await clock.advance(31_000);
    vault.answer = ({ operation }) =>
      operation === 'token_lookup'
        ? { status: 200, text: '{"data":{"ttl":500,"renewable":true}}' }
        : { status: 403, text: NO_PERMISSION };
    expect(await session.request(READ)).toEqual({ status: 403, text: NO_PERMISSION });
    expect(vault.logins).toBe(1);
  });

  it('asks nothing new of Vault when the operator stops, but revokes its token', async () => {
    const stopping = new AbortController();
    const session = await started(stopping.signal);
    await clock.advance(60_000);
    vault.answer = () => ({ status: 403, text: JSON.stringify({ errors: ['permission denied'] }) });
    stopping.abort();
    await expect(session.request(READ)).rejects.toThrow('the operator stops');
    expect(clock.waiting).toEqual([]);
    await session.stop();
    expect(vault.seen.map(({ operation }) => operation)).toEqual(['read', 'token_revoke']);
    expect(vault.logins).toBe(1);
  });
});

describe('VaultSession with a token that somebody else created', () => {
  const permission = (allowed: boolean): VaultResponse =>
    allowed ? { status: 200, text: '{}' } : { status: 403, text: NO_PERMISSION };
  const lookUp = (accessor: string): VaultResponse => ({
    status: 200,
    text: JSON.stringify({ data: { ttl: 3_600, expire_time: 'later', renewable: true, accessor } }),
  });
  const read = async (session: VaultSession): Promise<unknown> =>
    await session.request(READ).catch((error: unknown) => error);

  it('takes a 403 for one that passes while it has the token for a moment only', async () => {
    vault.login = () => vault.token({ token: 'given', ours: false });
    vault.answer = ({ operation }) => (operation === 'token_lookup' ? lookUp('a') : permission(false));
    const session = await started();
    expect(await read(session)).toMatchObject({ status: 403, mayPass: true });
    // Long enough for a policy, short enough for a path that may be written but not read.
    await clock.advance(6_000);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
  });

  it.each(UNKNOWN)('keeps it when one of two nodes does not know it yet: %j', async (text) => {
    let turn = 0;
    vault.login = () => vault.token({ token: 'given', ours: false });
    vault.answer = ({ operation }) => {
      if ((turn += 1) % 2 === 1) return { status: 403, text: JSON.stringify({ errors: [text] }) };
      return operation === 'token_lookup' ? lookUp('a') : permission(true);
    };
    const session = await started();
    const outcomes = new Set<unknown>();
    for (let second = 0; second < 25; second += 1) {
      const outcome = (await read(session)) as { status?: number; retry?: string; mayPass?: boolean };
      outcomes.add(outcome.status === 200 ? 'ok' : outcome.mayPass === true ? 'soon' : outcome.retry);
      if (second % 3 === 0) turn += 1;
      await clock.advance(1_000);
    }
    expect(outcomes).toEqual(new Set(['soon', 'ok']));
    expect(vault.logins).toBe(1);
  });

  it('counts the token that a Vault Agent has exchanged as new', async () => {
    let accessor = 'a';
    vault.login = () => vault.token({ token: '', ttlSeconds: 0, ours: false, accessor });
    vault.answer = ({ operation }) => (operation === 'token_lookup' ? lookUp(accessor) : permission(false));
    const session = await started();
    await clock.advance(MINUTE);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
    accessor = 'b';
    expect(await read(session)).toMatchObject({ status: 403, mayPass: true });
    await clock.advance(31_000);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
    expect(vault.logins).toBe(1);
  });
});

describe('VaultSession over the life of a token', () => {
  it('remembers through a renewal that the token is known: a look-up judges a 403, not its age', async () => {
    vault.login = () => vault.token({ ttlSeconds: 20 });
    const session = await started();
    expect((await session.request(READ)).status).toBe(200);
    await clock.advance(15_000);
    expect(vault.seen.map(({ operation }) => operation)).toEqual(['read', 'token_renew']);
    vault.answer = () => ({ status: 403, text: JSON.stringify({ errors: ['permission denied'] }) });
    await session.request(READ).catch(() => undefined);
    expect(vault.seen.at(-1)?.operation).toBe('token_lookup');
  });

  it.each([true, false])('leaves a token of 32 days alone for weeks, renewable: %s', async (renewable) => {
    vault.login = () => vault.token({ ttlSeconds: 32 * 24 * 3_600, renewable });
    vault.renewal = () => ({ status: 200, text: '{"auth":{"lease_duration":2764800}}' });
    await started();
    await clock.advance(19 * DAY);
    expect([vault.logins, vault.seen.length]).toEqual([1, 0]);
    await clock.advance(4 * DAY);
    expect(vault.logins).toBe(renewable ? 1 : 2);
    expect(vault.seen.map(({ operation }) => operation)).toEqual([
      renewable ? 'token_renew' : 'token_revoke',
    ]);
  });

  it('revokes the token that a login replaced, once nobody uses it', async () => {
    vault.login = () => vault.token({ renewable: false });
    const session = await started();
    let answer: (() => void) | undefined;
    vault.hold = new Promise<void>((resolve) => (answer = resolve));
    const slow = session.request(READ);
    await settled();
    vault.hold = undefined;
    await clock.advance(8 * MINUTE);
    const revoked = (): (string | undefined)[] =>
      vault.seen.filter(({ operation }) => operation === 'token_revoke').map(({ token }) => token);
    expect([vault.logins, revoked()]).toEqual([2, []]);
    answer?.();
    await slow;
    await settled();
    expect(revoked()).toEqual(['t1']);
    await session.stop();
    expect(revoked()).toEqual(['t1', 't2']);
  });

  it.each([
    ['an hour', 60 * MINUTE, 45 * MINUTE, 55 * MINUTE],
    ['90 days', 90 * DAY, 65 * DAY, 89 * DAY + MINUTE],
  ])(
    'warns of the end of a given token of %s at two thirds, calls it an error near the end, and never revokes it',
    async (_life, lifeMs, warnedMs, failedMs) => {
      vault.login = () => vault.token({ ours: false, renewable: false, ttlSeconds: lifeMs / 1_000 });
      const session = await started();
      const said = (): string[] =>
        logger.entries.filter(({ message }) => message.includes('VAULT_TOKEN')).map(({ level }) => level);
      await clock.advance(lifeMs * 0.6);
      expect(said()).toEqual([]);
      await clock.advance(warnedMs - lifeMs * 0.6);
      expect(said()).toEqual(['warn']);
      await clock.advance(failedMs - warnedMs);
      expect(said()).toEqual(['warn', 'error']);
      await session.stop();
      expect([vault.logins, vault.seen.length]).toEqual([1, 0]);
    },
  );
});

const LOGINS = ['ok', 'short', 'fixed', 'down', 'slow', 'refused'] as const;
const RENEWALS = ['ok', 'short', 'refused', 'down'] as const;

describe('VaultSession at any time', () => {
  it('has a timer or a request on its way, and comes back when Vault does, however early timers fire', async () => {
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
          clock = new FakeClock(undefined, earlyMs);
          vault = new Scripted();
          const down = new VaultError('unavailable', 'down');
          const play = (step: (typeof steps)[number]): void => {
            vault.login = () => {
              if (step.login === 'down') throw down;
              if (step.login === 'slow') throw new VaultError('unavailable', 'HTTP 503', {}, 86_400_000);
              if (step.login === 'refused') throw new VaultError('rejected', 'refused');
              return vault.token({
                ours,
                ttlSeconds: step.login === 'short' ? 5 : 600,
                renewable: step.login !== 'fixed',
              });
            };
            vault.renewal = () => {
              if (step.renewal === 'down') throw down;
              if (step.renewal === 'refused') return { status: 400, text: '{"errors":["x"]}' };
              const ttl = step.renewal === 'short' ? 20 : 600;
              return { status: 200, text: `{"auth":{"lease_duration":${String(ttl)}}}` };
            };
            vault.answer = () =>
              step.revoked
                ? { status: 403, text: '{"errors":["permission denied"]}' }
                : { status: 200, text: '{}' };
          };
          const first = steps[0];
          if (first !== undefined) play(first);
          const session = await started();
          const isCaredFor = (): void => {
            expect(clock.waiting.length + vault.inFlight).toBeGreaterThan(0);
          };
          isCaredFor();
          for (const step of steps) {
            play(step);
            if (step.asks) await session.request(READ).catch(() => undefined);
            isCaredFor();
            for (let part = 0; part < 10; part += 1) {
              await clock.advance(step.forMs / 10);
              isCaredFor();
            }
          }
          play({ login: 'ok', renewal: 'ok', revoked: false, asks: false, forMs: 1 });
          // The longest pause after refused logins of a method that does not lock anybody out.
          await clock.advance(5 * 60_000 + 1_000);
          expect(session.problem()).toBeUndefined();
          expect((await session.request(READ)).status).toBe(200);
          await session.stop();
          expect(clock.waiting).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
