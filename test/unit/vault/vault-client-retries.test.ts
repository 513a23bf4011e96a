import { beforeEach, describe, expect, it } from '@jest/globals';

import { VaultError } from '../../../src/vault/vault-error.js';
import { settled } from '../../support/fake-clock.js';
import { ClientFixture, coded, READ, WRITE } from './client-fixture.js';

let fixture: ClientFixture;

beforeEach(() => {
  fixture = new ClientFixture();
});

describe('attempts of VaultClient', () => {
  it.each([412, 429, 500, 502, 503, 504])(
    'tries HTTP %d again, as often as VAULT_MAX_RETRIES says',
    async (status) => {
      const answer = await fixture.outcome(
        fixture.client([{ status }, { status }, { status: 200 }]).request(READ),
      );
      expect(answer).toEqual({ status: 200, text: '{}' });
      expect(fixture.sent).toHaveLength(3);
      fixture.sent = [];
      const failed = await fixture.outcome(fixture.client([{ status }]).request(READ));
      expect(failed).toMatchObject({
        failure: 'unavailable',
        retry: 'soon',
        facts: { status, operation: 'read' },
      });
      expect(fixture.sent).toHaveLength(3);
    },
  );

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE'])(
    'tries again after %s',
    async (code) => {
      expect(await fixture.outcome(fixture.client([coded(code), {}]).request(READ))).toEqual({
        status: 200,
        text: '{}',
      });
      const failed = await fixture.outcome(fixture.client([coded(code)]).request(READ));
      expect(failed).toMatchObject({
        failure: 'unavailable',
        message: expect.stringContaining(code) as unknown,
      });
      expect((failed as Error).message).not.toContain('s3cret');
    },
  );

  it.each([
    'CERT_HAS_EXPIRED',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ])('reports a rejected certificate at once, without another attempt: %s', async (code) => {
    const failed = await fixture.outcome(fixture.client([coded(code)]).request(READ));
    expect(failed).toMatchObject({
      message: expect.stringContaining(`cannot verify Vault's certificate (${code})`) as unknown,
    });
    expect(fixture.sent).toHaveLength(1);
  });

  it.each([
    ['an answer that was lost', coded('ECONNRESET'), 1],
    ['the page of a gateway', { status: 502, text: 'bad gateway' }, 1],
    ['a connection that was refused', coded('ECONNREFUSED'), 2],
    ['a sealed Vault', { status: 503, text: '{"errors":["Vault is sealed"]}' }, 2],
  ])('after %s repeats a removal only if it had no effect', async (_what, step, requests) => {
    const client = fixture.client([step, { status: 204 }]);
    const removal = { ...READ, method: 'DELETE', operation: 'delete', mutates: true } as const;
    const result = await fixture.outcome(client.request(removal));
    expect(fixture.sent).toHaveLength(requests);
    expect(result instanceof VaultError && !result.hadNoEffect).toBe(requests === 1);
  });

  it('does not try 501 again', async () => {
    await fixture.outcome(fixture.client([{ status: 501 }]).request(READ));
    expect(fixture.sent).toHaveLength(1);
  });

  it('waits as long as Retry-After says when that is short', async () => {
    const answer = fixture.client([{ status: 429, headers: { 'retry-after': '4' } }, {}]).request(READ);
    await settled();
    await fixture.clock.advance(3_900);
    expect(fixture.sent).toHaveLength(1);
    await fixture.clock.advance(100);
    expect(fixture.sent).toHaveLength(2);
    expect(await fixture.outcome(answer)).toMatchObject({ status: 200 });
  });

  it('leaves a long Retry-After to the queue', async () => {
    const failed = await fixture.outcome(
      fixture.client([{ status: 503, headers: { 'retry-after': '30' } }]).request(READ),
    );
    expect(failed).toMatchObject({ retryAfterMs: 30_000 });
    expect(fixture.sent).toHaveLength(1);
  });

  it.each([
    ['read', 10 * 60_000],
    ['login', 60_000],
    ['token_renew', 60_000],
  ] as const)('limits a %s to minutes even when VAULT_CLIENT_TIMEOUT is 600 h', async (operation, limit) => {
    const request = fixture.client(['hang'], { config: { timeoutMs: 600 * 3_600_000 } }).request({
      ...READ,
      operation,
    });
    const failed = request.catch((error: unknown) => error);
    await settled();
    expect(fixture.clock.waiting).toEqual([limit]);
    await fixture.clock.advance(limit);
    expect(await failed).toMatchObject({ failure: 'unavailable' });
  });

  it('bounds all attempts together by VAULT_CLIENT_TIMEOUT', async () => {
    const failed = fixture.outcome(fixture.client(['hang']).request(READ));
    await settled();
    await fixture.clock.advance(60_000);
    expect(await failed).toMatchObject({
      message: expect.stringContaining('VAULT_CLIENT_TIMEOUT') as unknown,
    });
    expect(fixture.sent).toHaveLength(1);
    expect(await fixture.counted()).toEqual({ 'read ETIMEDOUT': 1 });

    fixture.sent = [];
    const slow = fixture.client([{ status: 500 }, 'hang'], { config: { timeoutMs: 2_000 } });
    const late = slow.request(READ).catch((error: unknown) => error);
    await settled();
    await fixture.clock.advance(2_000);
    expect(await late).toBeInstanceOf(VaultError);
    expect(fixture.sent).toHaveLength(2);
  });

  it('leaves no timer behind', async () => {
    await fixture.outcome(fixture.client([{ status: 503 }, coded('ECONNRESET'), {}]).request(WRITE));
    expect(fixture.clock.waiting).toEqual([]);
  });

  it('counts every request that goes out', async () => {
    await fixture.outcome(fixture.client([{ status: 503 }, coded('ECONNRESET'), {}]).request(READ));
    expect(await fixture.counted()).toEqual({ 'read 503': 1, 'read ECONNRESET': 1, 'read 200': 1 });
  });

  it('keeps to VAULT_RATE_LIMIT', async () => {
    const client = fixture.client([{}], { config: { rateLimit: { perSecond: 2, burst: 3 } } });
    const all = Promise.all(Array.from({ length: 7 }, () => client.request(READ)));
    await settled();
    expect(fixture.sent).toHaveLength(3);
    await fixture.clock.advance(1_000);
    expect(fixture.sent).toHaveLength(5);
    await fixture.clock.advance(1_000);
    expect(fixture.sent).toHaveLength(7);
    await all;
    await fixture.clock.advance(10_000);
    await Promise.all(Array.from({ length: 3 }, () => client.request(READ)));
    expect(fixture.sent).toHaveLength(10);
  });
});
