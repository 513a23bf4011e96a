import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { DecryptRequest } from '../../../src/kms/decryptor.js';
import { KmsDecryptor } from '../../../src/kms/kms-decryptor.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { Lifecycle } from '../../../src/runtime/lifecycle.js';
import { FakeClock } from '../../support/fake-clock.js';
import { VirtualKms } from './virtual-kms.js';

let clock: FakeClock;
let kms: VirtualKms;
let metrics: OperatorMetrics;

function decryptorOf(options: { concurrency?: number; lifecycle?: Lifecycle } = {}): KmsDecryptor {
  return new KmsDecryptor(kms, options.concurrency ?? 20, clock, metrics, options.lifecycle);
}

function request(text: string, more: Partial<DecryptRequest> = {}): DecryptRequest {
  return { encryptedSecret: Buffer.from(text).toString('base64'), context: {}, ...more };
}

function resource(name: string, keys: number, more: Partial<DecryptRequest> = {}): DecryptRequest[] {
  return Array.from({ length: keys }, (_, key) =>
    request(`${name}/${String(key)}`, { owner: name, ...more }),
  );
}

async function all(decryptor: KmsDecryptor, requests: readonly DecryptRequest[]): Promise<string[]> {
  return await Promise.all(requests.map((one) => decryptor.decrypt(one)));
}

beforeEach(() => {
  clock = new FakeClock();
  metrics = new OperatorMetrics(new Registry());
});

/** Lets time pass until it is there; a deadline in virtual time, so that nothing waits for ever. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let done = false;
  const note = (): void => {
    done = true;
  };
  promise.then(note, note);
  for (let passed = 0; passed < ms && !done; passed += 100) await clock.advance(100);
  if (!done) throw new Error(`not there after ${String(ms)} ms`);
  return await promise;
}

async function failureOf(promise: Promise<unknown>): Promise<KmsError> {
  const error: unknown = await promise.catch((failure: unknown) => failure);
  if (!(error instanceof KmsError)) throw new Error(`expected a KmsError, got ${String(error)}`);
  return error;
}

const LOST = { name: 'Error', code: 'ECONNRESET' };

describe('KmsDecryptor under a quota', () => {
  it.each([
    [5, 20, 60],
    [50, 20, 20],
    [200, 20, 10],
    [1_000, 60, 5],
  ])(
    'uses a quota of %i per second, and asks little more than once for each key',
    async (quota, concurrency, seconds) => {
      kms = new VirtualKms(clock, quota);
      const keys = quota * (seconds + 4);
      const work = all(decryptorOf({ concurrency }), resource('big', keys));
      await clock.advance(3_000);
      const before = kms.served.length;
      await clock.advance(seconds * 1_000);
      expect((kms.served.length - before) / (quota * seconds)).toBeGreaterThanOrEqual(0.95);
      expect(await within(20_000, work)).toHaveLength(keys);
      expect(kms.requests / keys).toBeLessThanOrEqual(1.15);
      expect((await metrics.kmsThrottled.get()).values[0]?.value).toBe(kms.throttled);
    },
    60_000,
  );

  it('finishes a resource that is larger than the quota, at once for every key that KMS serves', async () => {
    kms = new VirtualKms(clock, 50);
    const requests = resource('big', 150);
    const work = all(decryptorOf(), requests);
    expect(await within(4_000, work)).toEqual(requests.map((_, key) => `big/${String(key)}`));
    expect(kms.served).toHaveLength(150);
    expect(kms.requests).toBeLessThanOrEqual(1.2 * 150);
  });

  it('finds the new rate when others take most of the quota, and when they give it back', async () => {
    kms = new VirtualKms(clock, 200);
    void all(decryptorOf(), resource('big', 20_000)).catch(() => undefined);
    await clock.advance(5_000);
    kms.quota = 20;
    await clock.advance(3_000);
    const scarce = { served: kms.served.length, requests: kms.requests };
    await clock.advance(20_000);
    const served = kms.served.length - scarce.served;
    expect(served / (20 * 20)).toBeGreaterThanOrEqual(0.9);
    expect((kms.requests - scarce.requests) / served).toBeLessThanOrEqual(1.2);
    kms.quota = 200;
    await clock.advance(10_000);
    const plenty = kms.served.length;
    await clock.advance(5_000);
    expect((kms.served.length - plenty) / (200 * 5)).toBeGreaterThanOrEqual(0.9);
  });

  it('forgets the quota when none is met any more', async () => {
    kms = new VirtualKms(clock, 50);
    const decryptor = decryptorOf({ concurrency: 20 });
    const first = all(decryptor, resource('first', 150));
    await within(5_000, first);
    kms.quota = 1_000_000;
    const second = all(decryptor, resource('second', 4_000));
    expect(await within(15_000, second)).toHaveLength(4_000);
  }, 30_000);

  it('lets owners take turns, so that a small one is done after a few rounds', async () => {
    kms = new VirtualKms(clock, 50);
    const decryptor = decryptorOf();
    for (let index = 0; index < 10; index += 1) void all(decryptor, resource(`big-${String(index)}`, 150));
    await clock.advance(4_000);
    const before = kms.served.length;
    const small = all(decryptor, resource('small', 3));
    expect(await within(2_000, small)).toHaveLength(3);
    const last = kms.served.findLastIndex(({ text }) => text.startsWith('small/'));
    // Three rounds of eleven owners, and what was in flight.
    expect(last - before).toBeLessThanOrEqual(3 * 11 + 20);
  });

  it('serves an edit before resync work, and a join by an edit makes haste', async () => {
    kms = new VirtualKms(clock, 10);
    const decryptor = decryptorOf({ concurrency: 1 });
    const backlog = resource('backlog', 100);
    void all(decryptor, backlog);
    await clock.advance(2_000);
    const before = kms.served.length;
    const edit = all(decryptor, [
      ...resource('edited', 2, { urgency: 'edit' }),
      request('backlog/99', { owner: 'other', urgency: 'edit' }),
    ]);
    expect(await within(1_000, edit)).toHaveLength(3);
    const next = kms.served.slice(before, before + 4).map(({ text }) => text);
    expect(next).toEqual(expect.arrayContaining(['edited/0', 'edited/1', 'backlog/99']));
  });

  it('reports how many owners wait, and when none does any more', async () => {
    kms = new VirtualKms(clock, 50);
    const told: number[] = [];
    const decryptor = new KmsDecryptor(kms, 20, clock, metrics, undefined, {
      isEditing: false,
      lend: (owners) => told.push(owners),
    });
    const work = Promise.all([
      all(decryptor, resource('a', 100)),
      all(decryptor, resource('b', 100)),
      all(decryptor, resource('c', 100)),
    ]);
    await within(8_000, work);
    expect(Math.max(...told)).toBe(3);
    expect(told.at(-1)).toBe(0);
  });

  it('fails when nobody is served for a minute, and no earlier', async () => {
    kms = new VirtualKms(clock, 0);
    const decryptor = decryptorOf();
    const failures: string[] = [];
    const work = resource('big', 150).map((one) =>
      decryptor
        .decrypt(one)
        .catch((error: unknown) => failures.push(error instanceof KmsError ? error.code : '')),
    );
    await clock.advance(59_000);
    expect(failures).toEqual([]);
    await within(4_000, Promise.all(work));
    expect(failures).toEqual(Array.from({ length: 150 }, () => 'ThrottlingException'));
    // Carefully: not one request for each key and second.
    expect(kms.requests).toBeLessThanOrEqual(20 + 10 * 63);
  });

  it('gives up at once when its caller does, and says that KMS throttles', async () => {
    kms = new VirtualKms(clock, 0);
    const giveUp = new AbortController();
    const waiting = failureOf(decryptorOf().decrypt(request('a'), giveUp.signal));
    // The request is sent, then throttled.
    await clock.advance(0);
    await clock.advance(1_000);
    giveUp.abort();
    expect(await waiting).toMatchObject({ failure: 'transient', code: 'ThrottlingException' });
    const before = kms.requests;
    await clock.advance(10_000);
    expect(kms.requests).toBe(before);
    expect(clock.waiting).toEqual([]);
  });

  it('gives up what waits for a quota when the process begins to end', async () => {
    kms = new VirtualKms(clock, 10);
    const lifecycle = new Lifecycle();
    const decryptor = decryptorOf({ lifecycle });
    const results = resource('big', 100).map((one) => decryptor.decrypt(one).then(() => 'served', codeOf));
    await clock.advance(3_000);
    lifecycle.beginStop();
    const ended = await within(100, Promise.all(results));
    expect(new Set(ended)).toEqual(new Set(['served', 'Abandoned']));
  });
});

describe('KmsDecryptor when KMS fails for a moment', () => {
  it('asks again for what was lost, and keeps the rest', async () => {
    kms = new VirtualKms(clock, 10_000);
    let left = 20;
    kms.fault = () => (left-- > 0 ? LOST : undefined);
    const work = all(decryptorOf(), resource('big', 150));
    expect(await within(5_000, work)).toHaveLength(150);
    expect(kms.served).toHaveLength(150);
    expect(kms.requests).toBe(170);
  });

  it('gives up a key after three tries', async () => {
    kms = new VirtualKms(clock, 10_000);
    kms.fault = (text) =>
      text === 'big/7' ? { name: 'KMSInternalException', $metadata: { httpStatusCode: 500 } } : undefined;
    const decryptor = decryptorOf();
    const results = resource('big', 20).map((one) => decryptor.decrypt(one).then(() => 'served', codeOf));
    expect((await within(5_000, Promise.all(results))).filter((result) => result !== 'served')).toEqual([
      'KMSInternalException',
    ]);
    expect(kms.requests).toBe(22);
  });

  it('sees that KMS is down after few requests, and not once for each key and try', async () => {
    kms = new VirtualKms(clock, 10_000);
    kms.fault = () => LOST;
    const decryptor = decryptorOf();
    const results = resource('big', 1_000).map((one) => decryptor.decrypt(one).then(() => 'served', codeOf));
    expect(new Set(await within(5_000, Promise.all(results)))).toEqual(new Set(['ECONNRESET']));
    expect(kms.requests).toBeLessThanOrEqual(1_000 + 2 * 20);
  });

  it.each([
    ['a wrong signature', { name: 'InvalidSignatureException', $metadata: { httpStatusCode: 400 } }],
    ['missing credentials', { name: 'CredentialsProviderError' }],
    [
      'a named wait',
      { name: 'X', $metadata: { httpStatusCode: 503 }, $response: { headers: { 'retry-after': '30' } } },
    ],
  ])('does not ask again at once after %s', async (_what, error) => {
    kms = new VirtualKms(clock, 10_000);
    kms.fault = () => error;
    const failure = failureOf(decryptorOf().decrypt(request('a')));
    expect((await within(1_000, failure)).failure).toBe('transient');
    expect(kms.requests).toBe(1);
  });

  it('asks again when the SDK has corrected its clock', async () => {
    kms = new VirtualKms(clock, 10_000);
    const skewed = {
      name: 'InvalidSignatureException',
      $metadata: { httpStatusCode: 400, clockSkewCorrected: true },
    };
    let left = 1;
    kms.fault = () => (left-- > 0 ? skewed : undefined);
    const work = decryptorOf().decrypt(request('a'));
    expect(await within(1_000, work)).toBe('a');
  });
});

function codeOf(error: unknown): string {
  return error instanceof KmsError ? error.code : String(error);
}
