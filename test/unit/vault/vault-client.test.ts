import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { VaultConfig } from '../../../src/config/config.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { openGate, type WriteGate, WriteGateClosedError } from '../../../src/runtime/write-gate.js';
import { VaultClient } from '../../../src/vault/vault-client.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';
import type { RawRequest, RawResponse } from '../../../src/vault/vault-transport.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

const CONFIG: VaultConfig = {
  address: 'https://vault.example:8200',
  timeoutMs: 60_000,
  maxRetries: 2,
  skipVerify: false,
  headers: {},
  disableRedirects: false,
};
const READ: VaultRequest = { method: 'GET', path: 'kv/app', operation: 'read', token: 'tok' };
const WRITE: VaultRequest = { ...READ, method: 'POST', operation: 'write', body: '{}', mutates: true };

type Step = Partial<RawResponse> | Error | 'hang';

let clock: FakeClock;
let registry: Registry;
let sent: RawRequest[];

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
});

/** A client whose transport answers by a script; the last step repeats. */
function clientOf(
  steps: readonly Step[],
  options: { config?: Partial<VaultConfig>; gate?: WriteGate; stopping?: AbortSignal } = {},
): VaultClient {
  registry = new Registry();
  let calls = 0;
  const send = async (request: RawRequest): Promise<RawResponse> => {
    sent.push(request);
    calls += 1;
    const step = steps[Math.min(calls, steps.length) - 1];
    if (step instanceof Error) throw step;
    if (step === 'hang') {
      return await new Promise((_resolve, reject) => {
        request.signal.addEventListener('abort', () => {
          reject(Object.assign(new Error('canceled'), { code: 'ERR_CANCELED' }));
        });
      });
    }
    return { status: 200, headers: {}, text: '{}', ...step };
  };
  return new VaultClient(
    { ...CONFIG, ...options.config },
    { send },
    options.gate ?? openGate,
    clock,
    new OperatorMetrics(registry),
    options.stopping,
  );
}

/** Lets time pass until the request has an outcome. */
async function outcome(request: Promise<VaultResponse>): Promise<VaultResponse | Error> {
  let result: VaultResponse | Error | undefined;
  request.then(
    (answer) => (result = answer),
    (error: Error) => (result = error),
  );
  await settled();
  for (let waited = 0; result === undefined && waited < 200; waited += 1) await clock.advance(1_000);
  if (result === undefined) throw new Error('no outcome');
  return result;
}

const coded = (code: string): Error => Object.assign(new Error('s3cret'), { code });

async function counted(): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('kms_vault_operator_vault_requests_total')?.get();
  return Object.fromEntries(
    (metric?.values ?? []).map(({ labels, value }) => [
      `${String(labels.operation)} ${String(labels.code)}`,
      value,
    ]),
  );
}

describe('VaultClient', () => {
  it.each([412, 429, 500, 502, 503, 504])(
    'tries HTTP %d again, as often as VAULT_MAX_RETRIES says',
    async (status) => {
      const answer = await outcome(clientOf([{ status }, { status }, { status: 200 }]).request(READ));
      expect(answer).toEqual({ status: 200, text: '{}' });
      expect(sent).toHaveLength(3);
      sent = [];
      const failed = await outcome(clientOf([{ status }]).request(READ));
      expect(failed).toMatchObject({
        failure: 'unavailable',
        retry: 'soon',
        facts: { status, operation: 'read' },
      });
      expect(sent).toHaveLength(3);
    },
  );

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE'])(
    'tries again after %s',
    async (code) => {
      expect(await outcome(clientOf([coded(code), {}]).request(READ))).toEqual({ status: 200, text: '{}' });
      const failed = await outcome(clientOf([coded(code)]).request(READ));
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
  ])('says at once that the certificate is at fault for %s', async (code) => {
    const failed = await outcome(clientOf([coded(code)]).request(READ));
    expect(failed).toMatchObject({ message: expect.stringContaining(`not accepted (${code})`) as unknown });
    expect(sent).toHaveLength(1);
  });

  it.each([200, 204, 400, 403, 404, 405])('hands HTTP %d to the caller', async (status) => {
    const text = status === 204 ? '' : '{"errors":[]}';
    expect(await outcome(clientOf([{ status, text }]).request(READ))).toEqual({ status, text });
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['an answer that was lost', coded('ECONNRESET'), 1],
    ['the page of a gateway', { status: 502, text: 'bad gateway' }, 1],
    ['a connection that was refused', coded('ECONNREFUSED'), 2],
    ['a sealed Vault', { status: 503, text: '{"errors":["Vault is sealed"]}' }, 2],
  ])('after %s repeats a removal only if it surely had no effect', async (_what, step, requests) => {
    const client = clientOf([step, { status: 204 }]);
    const removal = { ...READ, method: 'DELETE', operation: 'delete', mutates: true } as const;
    const result = await outcome(client.request(removal));
    expect(sent).toHaveLength(requests);
    expect(result instanceof VaultError && !result.hadNoEffect).toBe(requests === 1);
  });

  it('does not try 501 again', async () => {
    await outcome(clientOf([{ status: 501 }]).request(READ));
    expect(sent).toHaveLength(1);
  });

  it.each([
    [200, '<html>s3cret</html>'],
    [200, ''],
    [403, '<html>blocked</html>'],
    [404, 'default backend - 404'],
    [400, '["s3cret"]'],
  ])('takes HTTP %d with %j for the answer of something in between', async (status, text) => {
    const failed = await outcome(clientOf([{ status, text }]).request(READ));
    expect(failed).toMatchObject({
      failure: 'unavailable',
      message: expect.stringContaining('not Vault') as unknown,
    });
    expect((failed as Error).message).not.toContain('s3cret');
    expect(sent).toHaveLength(1);
  });

  it('waits as long as Retry-After says when that is short', async () => {
    const answer = clientOf([{ status: 429, headers: { 'retry-after': '4' } }, {}]).request(READ);
    await settled();
    await clock.advance(3_900);
    expect(sent).toHaveLength(1);
    await clock.advance(100);
    expect(sent).toHaveLength(2);
    expect(await outcome(answer)).toMatchObject({ status: 200 });
  });

  it('leaves a long Retry-After to the queue', async () => {
    const failed = await outcome(clientOf([{ status: 503, headers: { 'retry-after': '30' } }]).request(READ));
    expect(failed).toMatchObject({ retryAfterMs: 30_000 });
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['read', 10 * 60_000],
    ['login', 60_000],
    ['token_renew', 60_000],
  ] as const)(
    'waits long for a %s when VAULT_CLIENT_TIMEOUT is 600 h, but not for ever',
    async (operation, limit) => {
      const request = clientOf(['hang'], { config: { timeoutMs: 600 * 3_600_000 } }).request({
        ...READ,
        operation,
      });
      const failed = request.catch((error: unknown) => error);
      await settled();
      expect(clock.waiting).toEqual([limit]);
      await clock.advance(limit);
      expect(await failed).toMatchObject({ failure: 'unavailable' });
    },
  );

  it('reads a Retry-After that is a date', async () => {
    const headers = { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' };
    expect(await outcome(clientOf([{ status: 503, headers }]).request(READ))).toMatchObject({
      retryAfterMs: 30_000,
    });
  });

  it('bounds all attempts together by VAULT_CLIENT_TIMEOUT', async () => {
    const failed = outcome(clientOf(['hang']).request(READ));
    await settled();
    await clock.advance(60_000);
    expect(await failed).toMatchObject({
      message: expect.stringContaining('VAULT_CLIENT_TIMEOUT') as unknown,
    });
    expect(sent).toHaveLength(1);
    expect(await counted()).toEqual({ 'read ETIMEDOUT': 1 });

    sent = [];
    const slow = clientOf([{ status: 500 }, 'hang'], { config: { timeoutMs: 2_000 } });
    const late = slow.request(READ).catch((error: unknown) => error);
    await settled();
    await clock.advance(2_000);
    expect(await late).toBeInstanceOf(VaultError);
    expect(sent).toHaveLength(2);
  });

  it('leaves no timer behind', async () => {
    await outcome(clientOf([{ status: 503 }, coded('ECONNRESET'), {}]).request(WRITE));
    expect(clock.waiting).toEqual([]);
  });

  it('counts every request that goes out', async () => {
    await outcome(clientOf([{ status: 503 }, coded('ECONNRESET'), {}]).request(READ));
    expect(await counted()).toEqual({ 'read 503': 1, 'read ECONNRESET': 1, 'read 200': 1 });
  });

  it('asks the write gate before every send of a request that changes something', async () => {
    let open = true;
    const gate: WriteGate = {
      assertOpen: () => {
        if (!open) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = clientOf([{ status: 503 }, {}], { gate });
    const write = client.request(WRITE);
    write.catch(() => undefined);
    await settled();
    open = false;
    expect(await outcome(write)).toBeInstanceOf(WriteGateClosedError);
    expect(sent).toHaveLength(1);
    expect(await outcome(client.request(READ))).toMatchObject({ status: 200 });
  });

  it('asks the write gate again before a redirected send', async () => {
    let asked = 0;
    const gate: WriteGate = {
      assertOpen: () => {
        asked += 1;
        if (asked > 1) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = clientOf([{ status: 307, headers: { location: 'https://b.example/v1/kv/app' } }, {}], {
      gate,
    });
    expect(await outcome(client.request(WRITE))).toBeInstanceOf(WriteGateClosedError);
    expect(sent).toHaveLength(1);
  });

  it('gives up a write in flight when the gate closes, and lets a read go on', async () => {
    const closing = new AbortController();
    const gate: WriteGate = { assertOpen: () => undefined, signal: closing.signal };
    const client = clientOf(['hang', 'hang', {}], { gate });
    const write = client.request(WRITE).catch((error: unknown) => error);
    const read = client.request(READ).catch((error: unknown) => error);
    await settled();
    closing.abort();
    expect(await write).toBeInstanceOf(WriteGateClosedError);
    expect(sent[1]?.signal.aborted).toBe(false);
    await clock.advance(60_000);
    expect(await read).toBeInstanceOf(VaultError);
  });

  it('makes no further attempt while the operator stops', async () => {
    const stopping = new AbortController();
    const failed = outcome(clientOf([{ status: 503 }], { stopping: stopping.signal }).request(READ));
    stopping.abort();
    expect(await failed).toBeInstanceOf(VaultError);
    expect(sent).toHaveLength(1);
  });

  it('begins nothing that still waits for VAULT_RATE_LIMIT when the operator stops', async () => {
    const stopping = new AbortController();
    const config = { rateLimit: { perSecond: 1, burst: 1 } };
    const client = clientOf([{}], { config, stopping: stopping.signal });
    await client.request(READ);
    const waiting = client.request(WRITE).catch((error: unknown) => error);
    await settled();
    stopping.abort();
    await clock.advance(60_000);
    expect(await waiting).toMatchObject({ failure: 'unavailable' });
    expect(sent).toHaveLength(1);
  });

  it('ends a pause between attempts when the operator stops, without another attempt', async () => {
    const stopping = new AbortController();
    const failed = clientOf([{ status: 503 }, {}], { stopping: stopping.signal })
      .request(READ)
      .catch((error: unknown) => error);
    await settled();
    expect(clock.waiting).toHaveLength(1);
    stopping.abort();
    expect(await failed).toBeInstanceOf(VaultError);
    await clock.advance(60_000);
    expect([sent.length, clock.waiting.length]).toEqual([1, 0]);
  });

  it('begins no look-up, login or renewal while the operator stops, but finishes what was begun', async () => {
    const location = 'https://active.example:8200/v1/kv/app';
    const redirect = { status: 307, headers: { location } };
    for (const operation of ['login', 'token_lookup', 'token_renew', 'mount_lookup'] as const) {
      const client = clientOf([{}], { stopping: AbortSignal.abort() });
      expect(await outcome(client.request({ ...READ, operation }))).toMatchObject({ failure: 'unavailable' });
    }
    expect(sent).toEqual([]);
    const ofRead = clientOf([redirect, {}], { stopping: AbortSignal.abort() });
    expect(await outcome(ofRead.request(READ))).toMatchObject({ failure: 'unavailable' });
    expect(sent).toHaveLength(1);
    sent = [];
    const ofWrite = clientOf([redirect, {}], { stopping: AbortSignal.abort() });
    expect(await outcome(ofWrite.request(WRITE))).toMatchObject({ status: 200 });
    expect(sent).toHaveLength(2);
  });

  it('gives up a request when its caller does', async () => {
    const caller = new AbortController();
    const failed = outcome(clientOf(['hang']).request({ ...READ, signal: caller.signal }));
    await settled();
    caller.abort();
    expect(await failed).toMatchObject({ message: expect.stringContaining('given up') as unknown });
    expect(sent).toHaveLength(1);
  });

  it('sends namespace, extra headers and token, which extra headers cannot replace', async () => {
    const headers = { 'X-Team': 'a', 'X-Vault-Token': 'other' };
    await outcome(clientOf([{}], { config: { namespace: 'ns/a', headers } }).request(WRITE));
    expect(sent[0]?.headers).toEqual({
      'X-Team': 'a',
      'X-Vault-Request': 'true',
      'X-Vault-Namespace': 'ns/a',
      'X-Vault-Token': 'tok',
      'Content-Type': 'application/json',
    });
  });

  it.each(['kv/../sys/x', './kv/x', 'kv//x', '/kv/x', 'kv/x/', '', 'kv/\ud800'])(
    'sends nothing for the path %j',
    async (path) => {
      expect(await outcome(clientOf([{}]).request({ ...READ, path }))).toMatchObject({ failure: 'rejected' });
      expect(sent).toHaveLength(0);
    },
  );

  it('escapes each segment of a path', async () => {
    await outcome(clientOf([{}]).request({ ...READ, path: 'kv/data/ü b/%2e%2e/a?b#c' }));
    expect(sent[0]?.url).toBe('https://vault.example:8200/v1/kv/data/%C3%BC%20b/%252e%252e/a%3Fb%23c');
  });

  it('follows one redirect with method, body and token, and no second one', async () => {
    const location = 'https://active.example:8200/v1/kv/app';
    const client = clientOf([{ status: 307, headers: { location } }, {}]);
    expect(await outcome(client.request(WRITE))).toMatchObject({ status: 200 });
    expect(sent[1]).toMatchObject({
      url: location,
      method: 'POST',
      body: '{}',
      headers: { 'X-Vault-Token': 'tok' },
    });
    sent = [];
    const loop = clientOf([{ status: 307, headers: { location } }]);
    expect(await outcome(loop.request(READ))).toMatchObject({
      message: expect.stringContaining('more than once') as unknown,
    });
    expect(sent).toHaveLength(2);
  });

  it('sends the token nowhere after a refused redirect', async () => {
    const client = clientOf([
      { status: 302, headers: { location: 'http://vault.example:8200/v1/kv/app' } },
      {},
    ]);
    expect(await outcome(client.request(READ))).toMatchObject({
      message: expect.stringContaining('https to http') as unknown,
    });
    expect(sent).toHaveLength(1);
  });

  it('keeps to VAULT_RATE_LIMIT', async () => {
    const client = clientOf([{}], { config: { rateLimit: { perSecond: 2, burst: 3 } } });
    const all = Promise.all(Array.from({ length: 7 }, () => client.request(READ)));
    await settled();
    expect(sent).toHaveLength(3);
    await clock.advance(1_000);
    expect(sent).toHaveLength(5);
    await clock.advance(1_000);
    expect(sent).toHaveLength(7);
    await all;
    await clock.advance(10_000);
    await Promise.all(Array.from({ length: 3 }, () => client.request(READ)));
    expect(sent).toHaveLength(10);
  });
});
