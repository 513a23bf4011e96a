import { beforeEach, describe, expect, it } from '@jest/globals';

import { Lifecycle } from '../../../src/runtime/lifecycle.js';
import type { VaultResponse } from '../../../src/vault/vault-request.js';
import type { VaultSession } from '../../../src/vault/vault-session.js';
import { MINUTE, NO_PERMISSION, READ, SessionFixture, UNKNOWN } from './session-fixture.js';

let fixture: SessionFixture;

beforeEach(() => {
  fixture = new SessionFixture();
});

const UNKNOWN_TEXT = JSON.stringify({ errors: ['permission denied'] });

/** Refuses tokens that are younger than this. */
function lagBy(ms: number, errors: readonly string[] = UNKNOWN[0]): void {
  let bornMs = 0;
  fixture.authenticator.token = () => {
    bornMs = fixture.clock.monotonicMs();
    return {};
  };
  fixture.vault.answer = () =>
    fixture.clock.monotonicMs() - bornMs < ms
      ? { status: 403, text: JSON.stringify({ errors }) }
      : { status: 200, text: '{"data":{"ttl":3600,"renewable":true}}' };
}

describe('VaultSession with a token that is not replicated yet', () => {
  it.each(UNKNOWN)(
    'reports an outage until the token is known, and does not log in again: %j',
    async (text) => {
      lagBy(25_000, [text]);
      const session = await fixture.started();
      for (let second = 0; second < 25; second += 1) {
        await expect(session.request(READ)).rejects.toMatchObject({ failure: 'unavailable', retry: 'soon' });
        await fixture.clock.advance(1_000);
      }
      expect((await session.request(READ)).status).toBe(200);
      expect(fixture.authenticator.logins).toBe(1);
      expect(fixture.vault.seen.filter(({ operation }) => operation === 'token_lookup')).toEqual([]);
    },
  );

  it('gives slow replication more time with each login, and logs in rarely', async () => {
    lagBy(50_000);
    const session = await fixture.started();
    let isKnown = false;
    for (let second = 0; second < 300 && !isKnown; second += 1) {
      isKnown = await session.request(READ).then(
        ({ status }) => status === 200,
        () => false,
      );
      await fixture.clock.advance(1_000);
    }
    expect(isKnown).toBe(true);
    expect(fixture.authenticator.logins).toBeLessThanOrEqual(3);
  });

  it('calls a missing permission temporary for half a minute after a login', async () => {
    fixture.vault.answer = () => ({ status: 403, text: NO_PERMISSION });
    const session = await fixture.started();
    expect(await session.request(READ)).toMatchObject({ status: 403, mayPass: true });
    await fixture.clock.advance(31_000);
    fixture.vault.answer = ({ operation }) =>
      operation === 'token_lookup'
        ? { status: 200, text: '{"data":{"ttl":500,"renewable":true}}' }
        : { status: 403, text: NO_PERMISSION };
    expect(await session.request(READ)).toEqual({ status: 403, text: NO_PERMISSION });
    expect(fixture.authenticator.logins).toBe(1);
  });

  it('sends nothing but the revocation of its token when the operator stops', async () => {
    const lifecycle = new Lifecycle();
    const session = await fixture.started(undefined, lifecycle);
    await fixture.clock.advance(60_000);
    fixture.vault.answer = () => ({ status: 403, text: UNKNOWN_TEXT });
    lifecycle.beginStop();
    await expect(session.request(READ)).rejects.toThrow('the operator is shutting down');
    expect(fixture.clock.waiting).toEqual([]);
    await session.stop();
    expect(fixture.vault.seen.map(({ operation }) => operation)).toEqual(['read', 'token_revoke']);
    expect(fixture.authenticator.logins).toBe(1);
  });
});

describe('VaultSession with a configured token', () => {
  const permission = (allowed: boolean): VaultResponse =>
    allowed ? { status: 200, text: '{}' } : { status: 403, text: NO_PERMISSION };
  const lookUp = (issue_time: string): VaultResponse => ({
    status: 200,
    text: JSON.stringify({ data: { ttl: 3_600, expire_time: 'later', renewable: true, issue_time } }),
  });
  const read = async (session: VaultSession): Promise<unknown> =>
    await session.request(READ).catch((error: unknown) => error);

  it('treats a 403 as temporary in the first seconds with the token', async () => {
    fixture.authenticator.token = { token: 'given', ours: false };
    fixture.vault.answer = ({ operation }) =>
      operation === 'token_lookup' ? lookUp('a') : permission(false);
    const session = await fixture.started();
    expect(await read(session)).toMatchObject({ status: 403, mayPass: true });
    // Long enough for a policy, short enough for a path that may be written but not read.
    await fixture.clock.advance(6_000);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
  });

  it.each(UNKNOWN)('keeps the token when one of two nodes does not know it yet: %j', async (text) => {
    let turn = 0;
    fixture.authenticator.token = { token: 'given', ours: false };
    fixture.vault.answer = ({ operation }) => {
      if ((turn += 1) % 2 === 1) return { status: 403, text: JSON.stringify({ errors: [text] }) };
      return operation === 'token_lookup' ? lookUp('a') : permission(true);
    };
    const session = await fixture.started();
    const outcomes = new Set<unknown>();
    for (let second = 0; second < 25; second += 1) {
      const outcome = (await read(session)) as { status?: number; retry?: string; mayPass?: boolean };
      outcomes.add(outcome.status === 200 ? 'ok' : outcome.mayPass === true ? 'soon' : outcome.retry);
      if (second % 3 === 0) turn += 1;
      await fixture.clock.advance(1_000);
    }
    expect(outcomes).toEqual(new Set(['soon', 'ok']));
    expect(fixture.authenticator.logins).toBe(1);
  });

  it('is looked up at its first refusal, because Vault knew it before: a revoked one is replaced in seconds', async () => {
    fixture.authenticator.token = { ours: false };
    fixture.vault.answer = ({ token }) =>
      token === 't1' ? { status: 403, text: UNKNOWN_TEXT } : permission(true);
    const session = await fixture.started();
    expect(await read(session)).toMatchObject({ failure: 'unavailable', retry: 'soon' });
    expect(fixture.vault.seen.map(({ operation }) => operation)).toEqual(['read', 'token_lookup']);
    await fixture.clock.advance(5_000);
    expect(await read(session)).toMatchObject({ status: 200 });
    expect(fixture.authenticator.logins).toBe(2);
  });

  it('treats a token that a Vault Agent has replaced as new', async () => {
    let issued = 'a';
    fixture.authenticator.token = () => ({
      token: '',
      ttlSeconds: 0,
      ours: false,
      issued: JSON.stringify(issued),
    });
    fixture.vault.answer = ({ operation }) =>
      operation === 'token_lookup' ? lookUp(issued) : permission(false);
    const session = await fixture.started();
    await fixture.clock.advance(MINUTE);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
    issued = 'b';
    expect(await read(session)).toMatchObject({ status: 403, mayPass: true });
    await fixture.clock.advance(31_000);
    expect(await read(session)).toEqual({ status: 403, text: NO_PERMISSION });
    expect(fixture.authenticator.logins).toBe(1);
  });
});
