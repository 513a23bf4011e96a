import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { VaultAuthenticator, VaultToken } from '../../../src/vault/authenticator.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import type { VaultRequest, VaultRequests, VaultResponse } from '../../../src/vault/vault-request.js';
import { VaultSession } from '../../../src/vault/vault-session.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const MINUTE = 60_000;
const DEAD = JSON.stringify({ errors: ['permission denied'] });
const NO_PERMISSION = JSON.stringify({ errors: ['1 error occurred:\n\t* permission denied\n\n'] });

/** What a Vault would answer, by token. */
class FakeVault implements VaultRequests {
  readonly seen: VaultRequest[] = [];
  readonly dead = new Set<string>();
  /** Paths that no token may read. */
  readonly forbidden = new Set<string>();
  lookUpAllowed = true;
  isDown = false;
  /** Seconds that a renewal gives, or a refusal. */
  renewal: number | 'refused' = 3600;

  async request(request: VaultRequest): Promise<VaultResponse> {
    this.seen.push(request);
    await Promise.resolve();
    if (this.isDown) throw new VaultError('unavailable', 'Vault answered HTTP 503: Vault is sealed');
    if (this.dead.has(request.token ?? '')) return { status: 403, text: DEAD };
    switch (request.operation) {
      case 'token_lookup':
        return this.lookUpAllowed
          ? { status: 200, text: '{"data":{"ttl":0,"expire_time":null,"renewable":false}}' }
          : { status: 403, text: NO_PERMISSION };
      case 'token_renew':
        return this.renewal === 'refused'
          ? { status: 400, text: '{"errors":["lease is not renewable"]}' }
          : { status: 200, text: `{"auth":{"lease_duration":${String(this.renewal)}}}` };
      case 'token_revoke':
        this.dead.add(request.token ?? '');
        return { status: 204, text: '' };
      default:
        return this.forbidden.has(request.path)
          ? { status: 403, text: NO_PERMISSION }
          : { status: 200, text: '{}' };
    }
  }

  count(operation: VaultRequest['operation']): number {
    return this.seen.filter((request) => request.operation === operation).length;
  }
}

/** Hands out tokens t1, t2 … or fails as told. */
class FakeAuthenticator implements VaultAuthenticator {
  logins = 0;
  failure: VaultError | undefined;
  token: Partial<VaultToken> = {};

  constructor(readonly locksOut = false) {}

  async login(): Promise<VaultToken> {
    this.logins += 1;
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    return {
      token: `t${String(this.logins)}`,
      ttlSeconds: 3600,
      renewable: true,
      ours: true,
      mayLookUp: true,
      ...this.token,
    };
  }
}

let clock: FakeClock;
let vault: FakeVault;
let authenticator: FakeAuthenticator;
let registry: Registry;
let logger: RecordingLogger;

beforeEach(() => {
  clock = new FakeClock();
  vault = new FakeVault();
  authenticator = new FakeAuthenticator();
});

function sessionOf(random = 0.5): VaultSession {
  registry = new Registry();
  logger = new RecordingLogger();
  return new VaultSession(
    vault,
    authenticator,
    'approle',
    clock,
    logger,
    new OperatorMetrics(registry),
    undefined,
    () => random,
  );
}

async function started(): Promise<VaultSession> {
  const session = sessionOf();
  session.start();
  await settled();
  return session;
}

/** A token that is refused sooner may be one that is not known yet. */
async function settledIn(): Promise<VaultSession> {
  const session = await started();
  await clock.advance(MINUTE);
  return session;
}

async function gauge(name = 'vault_token_expiry_timestamp_seconds'): Promise<number | undefined> {
  const metric = registry.getSingleMetric(`kms_vault_operator_${name}`);
  return (await metric?.get())?.values[0]?.value;
}

async function logins(): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('kms_vault_operator_vault_logins_total')?.get();
  return Object.fromEntries(
    (metric?.values ?? []).map(({ labels, value }) => [
      `${String(labels.method)} ${String(labels.result)}`,
      value,
    ]),
  );
}

const refused = new VaultError('rejected', 'Vault refused the login (HTTP 400)', {
  status: 400,
  operation: 'login',
});
const down = new VaultError('unavailable', 'Vault cannot be reached (ECONNREFUSED)');

describe('VaultSession', () => {
  it('logs in once for everybody who asks meanwhile', async () => {
    const session = sessionOf();
    await Promise.all(Array.from({ length: 100 }, () => session.request(READ)));
    expect(authenticator.logins).toBe(1);
    expect(vault.seen.every((request) => request.token === 't1')).toBe(true);
    expect(await logins()).toEqual({ 'approle success': 1 });
  });

  it('tells by a gauge whether there is a token to work with', async () => {
    authenticator.failure = down;
    const session = await started();
    expect(await gauge('vault_session')).toBe(0);
    authenticator.failure = undefined;
    await clock.advance(60_000);
    expect(await gauge('vault_session')).toBe(1);
    await session.stop();
    expect(await gauge('vault_session')).toBe(0);
  });

  it('renews at about two thirds of the life, again and again', async () => {
    await started();
    const [first] = clock.waiting;
    expect(first).toBeGreaterThan(0.6 * 3_600_000);
    expect(first).toBeLessThan(0.72 * 3_600_000);
    await clock.advance(10 * 3_600_000);
    expect(vault.count('token_renew')).toBe(15);
    expect(authenticator.logins).toBe(1);
  });

  it('spreads renewals of replicas', async () => {
    const waits: (number | undefined)[] = [];
    for (const random of [0, 0.999]) {
      clock = new FakeClock();
      sessionOf(random).start();
      await settled();
      waits.push(clock.waiting[0]);
    }
    expect(waits[1]).toBeGreaterThan((waits[0] ?? NaN) + 4 * MINUTE);
  });

  it.each([
    ['is not renewable', { renewable: false }, 3600 as const, 0],
    ['is not renewed', {}, 'refused' as const, 1],
    ['comes near its maximum life', {}, 600 as const, 1],
  ])('logs in again before the end when the token %s', async (_what, token, renewal, renewals) => {
    authenticator.token = token;
    vault.renewal = renewal;
    const session = await started();
    await clock.advance(45 * MINUTE);
    expect(vault.count('token_renew')).toBe(renewals);
    expect(authenticator.logins).toBe(2);
    await session.request(READ);
    expect(vault.seen.at(-1)?.token).toBe('t2');
    expect(session.problem()).toBeUndefined();
  });

  it('goes on with the old token while the next login fails, and tries again until its end', async () => {
    authenticator.token = { renewable: false };
    const session = await started();
    authenticator.failure = down;
    await clock.advance(50 * MINUTE);
    expect(authenticator.logins).toBeGreaterThan(1);
    expect(session.problem()).toBeUndefined();
    expect((await session.request(READ)).status).toBe(200);
    await clock.advance(11 * MINUTE);
    await expect(session.request(READ)).rejects.toThrow('not logged in to Vault');
    expect(session.problem()).toContain('ECONNREFUSED');
    authenticator.failure = undefined;
    await clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
  });

  it.each([
    ['root', { ttlSeconds: 0, renewable: false, ours: false }],
    ['a login without an end', { ttlSeconds: 0 }],
  ])('leaves a token that never ends alone: %s', async (_name, token) => {
    authenticator.token = token;
    const session = await started();
    expect(clock.waiting).toEqual([]);
    await clock.advance(400 * 24 * 60 * MINUTE);
    expect(authenticator.logins).toBe(1);
    expect(vault.seen).toEqual([]);
    expect(await gauge()).toBe(0);
    expect(session.problem()).toBeUndefined();
  });

  it('tells of the end of a given token that cannot be renewed without spinning', async () => {
    authenticator.token = { ours: false, renewable: false, token: 'given' };
    const session = await started();
    await clock.advance(59 * MINUTE);
    const said = logger.entries.filter((entry) => entry.message.includes('VAULT_TOKEN'));
    expect(said.map(({ level }) => level)).toEqual(['warn', 'error']);
    expect(authenticator.logins).toBe(1);
    expect((await session.request(READ)).status).toBe(200);
  });

  it('renews a given token again after one renewal was refused', async () => {
    authenticator.token = { ours: false, token: 'given' };
    vault.renewal = 'refused';
    await started();
    await clock.advance(45 * MINUTE);
    expect(vault.count('token_renew')).toBe(2);
    vault.renewal = 3600;
    await clock.advance(60 * MINUTE);
    expect(authenticator.logins).toBe(1);
    expect(await gauge()).toBeGreaterThan(clock.now().getTime() / 1_000);
  });

  it('tells when the token ends in a metric', async () => {
    const session = await started();
    expect(await gauge()).toBe(new Date('2026-01-01T01:00:00Z').getTime() / 1_000);
    await session.stop();
    expect(await gauge()).toBe(0);
  });

  it('replaces a revoked token by one login for 100 requests, and sends each once more', async () => {
    const session = await settledIn();
    vault.dead.add('t1');
    const answers = await Promise.all(Array.from({ length: 100 }, () => session.request(READ)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(authenticator.logins).toBe(2);
    expect(vault.count('token_lookup')).toBe(1);
    expect(vault.count('read')).toBe(200);
  });

  it('leaves a living token in place when one path is forbidden', async () => {
    const session = await started();
    vault.forbidden.add('kv/secret');
    for (let round = 0; round < 3; round += 1) {
      expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    }
    expect(authenticator.logins).toBe(1);
    expect((await session.request(READ)).status).toBe(200);
  });

  it.each([
    ['may not look itself up', true],
    ['was known from the start not to', false],
  ])('tells a missing permission from a dead token that %s', async (_what, mayLookUp) => {
    vault.lookUpAllowed = false;
    authenticator.token = { mayLookUp };
    const session = await settledIn();
    vault.forbidden.add('kv/secret');
    expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    expect(authenticator.logins).toBe(1);
    vault.dead.add('t1');
    expect((await session.request(READ)).status).toBe(200);
    expect(authenticator.logins).toBe(2);
  });

  it('answers with the second 403 when the new token may not either', async () => {
    const session = await settledIn();
    vault.dead.add('t1');
    vault.forbidden.add('kv/secret');
    expect((await session.request({ ...READ, path: 'kv/secret' })).status).toBe(403);
    expect(authenticator.logins).toBe(2);
  });

  it('does not take an unanswered look-up for a dead token', async () => {
    const session = await started();
    vault.forbidden.add('kv/secret');
    const lookedAt = session.request({ ...READ, path: 'kv/secret' });
    await Promise.resolve();
    vault.isDown = true;
    await expect(lookedAt).rejects.toBeInstanceOf(VaultError);
    vault.isDown = false;
    await session.request(READ);
    expect(authenticator.logins).toBe(1);
  });

  it('logs in again when the life is over, also without a request', async () => {
    vault.renewal = 'refused';
    const session = await started();
    authenticator.failure = down;
    await clock.advance(2 * 60 * MINUTE);
    expect(session.problem()).toContain('not logged in');
    authenticator.failure = undefined;
    await clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
  });

  it('makes at most a handful of refused logins in an hour, however many ask', async () => {
    authenticator = new FakeAuthenticator(true);
    authenticator.failure = refused;
    const session = await started();
    for (let minute = 0; minute < 60; minute += 1) {
      const asked = await Promise.allSettled(Array.from({ length: 20 }, () => session.request(READ)));
      expect(asked.every((result) => result.status === 'rejected')).toBe(true);
      await clock.advance(MINUTE);
    }
    expect(authenticator.logins).toBeLessThanOrEqual(5);
    expect(session.problem()).toBe('not logged in to Vault: Vault refused the login (HTTP 400)');
    expect(await logins()).toEqual({ 'approle refused': authenticator.logins });
  });

  it('tells everybody at once why there is no session, as something that passes', async () => {
    authenticator.failure = refused;
    const session = await started();
    await expect(session.request(READ)).rejects.toMatchObject({ failure: 'unavailable', retry: 'soon' });
    expect(authenticator.logins).toBe(1);
    expect(vault.seen).toEqual([]);
  });

  it('recovers by itself from a Vault that is down at the start', async () => {
    authenticator.failure = down;
    const session = await started();
    expect(session.problem()).toContain('ECONNREFUSED');
    await clock.advance(10 * MINUTE);
    const before = authenticator.logins;
    expect(before).toBeGreaterThan(15);
    authenticator.failure = undefined;
    await clock.advance(30_000);
    expect(session.problem()).toBeUndefined();
    expect(authenticator.logins).toBe(before + 1);
    expect(await logins()).toMatchObject({ 'approle error': before, 'approle success': 1 });
  });

  it('comes back within a minute from a Vault that asked for a day', async () => {
    authenticator.failure = new VaultError('unavailable', 'Vault answered HTTP 503', {}, 86_400_000);
    const session = await started();
    authenticator.failure = undefined;
    await clock.advance(MINUTE);
    expect(session.problem()).toBeUndefined();
    expect(authenticator.logins).toBe(2);
  });

  it('does not log in for every request when Vault ends each token at once', async () => {
    const session = await started();
    const problems = new Set<string | undefined>();
    for (let round = 0; round < 120; round += 1) {
      for (let token = 1; token <= authenticator.logins; token += 1) vault.dead.add(`t${String(token)}`);
      await session.request(READ).catch(() => undefined);
      problems.add(session.problem());
      await clock.advance(1_000);
    }
    expect(authenticator.logins).toBeLessThanOrEqual(4);
    expect([...problems].join()).toContain('token_num_uses');
  });

  it('says nothing of an error that is not its own', async () => {
    authenticator.failure = Object.assign(new Error('s3cret'), { config: 's3cret' }) as unknown as VaultError;
    const session = await started();
    await expect(session.request(READ)).rejects.toThrow('the login failed unexpectedly');
    expect(JSON.stringify(logger.entries)).not.toContain('s3cret');
  });

  it.each([
    [true, 1],
    [false, 0],
  ])('revokes the token at the end when a login of ours obtained it: %s', async (ours, revocations) => {
    authenticator.token = { ours };
    const session = await started();
    await session.stop();
    expect(vault.count('token_revoke')).toBe(revocations);
    expect(clock.waiting).toEqual([]);
    await expect(session.request(READ)).rejects.toThrow('the operator stops');
    expect(authenticator.logins).toBe(1);
  });

  it('ends also when the token cannot be revoked', async () => {
    const session = await started();
    vault.isDown = true;
    await session.stop();
    expect(logger.entries.at(-1)?.level).toBe('warn');
  });

  it('logs no token', async () => {
    const session = await settledIn();
    vault.dead.add('t1');
    await session.request(READ);
    await session.stop();
    expect(JSON.stringify(logger.entries)).not.toMatch(/"t[12]"/);
  });
});
