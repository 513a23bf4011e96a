import { beforeEach, describe, expect, it } from '@jest/globals';

import { KmsError } from '../../../src/kms/kms-error.js';
import { PacedRequests } from '../../../src/kms/paced-requests.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { VirtualKms } from './virtual-kms.js';

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

function requestsTo(
  kms: VirtualKms,
  concurrency = 10,
): (text: string, signal?: AbortSignal) => Promise<string> {
  const paced = new PacedRequests(clock, concurrency);
  return async (text, signal) =>
    await paced.run(async () => {
      const bytes = await kms.decrypt(Buffer.from(text), {}, signal);
      return Buffer.from(bytes).toString();
    }, signal);
}

/** Lets time pass until it is there; a deadline in virtual time. */
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

const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.catch((error: unknown) => error);

describe('PacedRequests', () => {
  it('serves everything under a quota, close to its rate, without wasting many requests', async () => {
    const kms = new VirtualKms(clock, 50);
    const send = requestsTo(kms);
    const texts = Array.from({ length: 1_000 }, (_, index) => `value ${String(index)}`);
    // 19 seconds are the least; KMS serves 50 at once at the start.
    expect(await within(40_000, Promise.all(texts.map((text) => send(text))))).toEqual(texts);
    expect(kms.throttled).toBeLessThan(300);
  });

  it('sends no more at a time than allowed', async () => {
    let most = 0;
    let now = 0;
    const paced = new PacedRequests(clock, 3);
    const held: (() => void)[] = [];
    const all = Array.from({ length: 7 }, () =>
      paced.run(async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise<void>((resolve) => held.push(resolve));
        now -= 1;
      }),
    );
    for (let index = 0; index < 7; index += 1) {
      await settled();
      held[index]?.();
    }
    await Promise.all(all);
    expect(most).toBe(3);
  });

  it('gives up after a minute in which KMS served nothing', async () => {
    const kms = new VirtualKms(clock, 0);
    const send = requestsTo(kms);
    const results = Promise.all(['a', 'b', 'c'].map((text) => failureOf(send(text))));
    expect(await within(70_000, results)).toEqual([
      expect.objectContaining({ code: 'ThrottlingException' }),
      expect.objectContaining({ code: 'ThrottlingException' }),
      expect.objectContaining({ code: 'ThrottlingException' }),
    ]);
  });

  it('repeats what was lost, a few times', async () => {
    const kms = new VirtualKms(clock, 1_000);
    let lost = 0;
    kms.fault = (text) => {
      if (text === 'gone' || lost === 2) return text === 'gone' ? { code: 'ECONNRESET' } : undefined;
      lost += 1;
      return { code: 'ECONNRESET' };
    };
    const send = requestsTo(kms);
    expect(await within(20_000, send('value'))).toBe('value');
    expect(await within(60_000, failureOf(send('gone')))).toMatchObject({ code: 'ECONNRESET' });
  });

  it('does not repeat what KMS refused', async () => {
    const kms = new VirtualKms(clock, 1_000);
    kms.fault = () => ({ name: 'InvalidCiphertextException' });
    const failure = await within(1_000, failureOf(requestsTo(kms)('value')));
    expect(failure).toBeInstanceOf(KmsError);
    expect(kms.requests).toBe(1);
  });

  it('drops a request that is cancelled, wherever it waits', async () => {
    const kms = new VirtualKms(clock, 1);
    const send = requestsTo(kms, 1);
    const cancel = new AbortController();
    await within(1_000, send('first'));
    const throttled = failureOf(send('second', cancel.signal));
    const queued = failureOf(send('third', cancel.signal));
    await clock.advance(30);
    cancel.abort();
    expect(await within(1_000, throttled)).toMatchObject({ code: 'ThrottlingException' });
    expect(await within(1_000, queued)).toMatchObject({ code: 'Abandoned' });
    const { requests } = kms;
    await clock.advance(5_000);
    expect(kms.requests).toBe(requests);
    expect(await failureOf(send('fourth', AbortSignal.abort()))).toMatchObject({ code: 'Abandoned' });
  });
});
