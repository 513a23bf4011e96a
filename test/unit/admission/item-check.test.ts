import { describe, expect, it } from '@jest/globals';

import {
  type CheckedItems,
  ItemCheck,
  type ItemFailure,
  type ItemToCheck,
  TooManyReviews,
} from '../../../src/admission/item-check.js';
import type { DecryptRequest, Decryptor } from '../../../src/kms/decryptor.js';
import { PlaintextInspector } from '../../../src/kms/plaintext-inspector.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { settled } from '../../support/fake-clock.js';

/** Answers when the test asks for it. */
class HeldDecryptor implements Decryptor {
  readonly waiting: { readonly request: DecryptRequest; resolve(): void; reject(error: Error): void }[] = [];

  async decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string> {
    return await new Promise((resolve, reject) => {
      const abandon = (): void => {
        reject(new KmsError('transient', 'Abandoned', 'given up'));
      };
      if (signal?.aborted === true) abandon();
      signal?.addEventListener('abort', abandon);
      this.waiting.push({ request, resolve: () => resolve('plaintext'), reject });
    });
  }
}

function items(count: number, prefix = 'AAAA'): ItemToCheck[] {
  return Array.from({ length: count }, (_, index) => ({
    key: String(index),
    encryptedSecret: prefix,
    context: { index: String(index) },
  }));
}

function failed(checked: CheckedItems): ItemFailure[] {
  return [...checked.failures()];
}

const never = new AbortController().signal;

describe('ItemCheck', () => {
  it('asks of one review no more at a time than KMS takes, so that a small one gets its turn', async () => {
    const decryptor = new HeldDecryptor();
    const check = new ItemCheck(new PlaintextInspector(decryptor), 2, 9);
    const large = check.check(items(5), never);
    await settled();
    expect(decryptor.waiting).toHaveLength(2);
    const small = check.check(items(1), never);
    await settled();
    decryptor.waiting[2]?.resolve();
    expect(failed(await small)).toEqual([]);
    for (let index = 0; index < 6; index += 1) {
      decryptor.waiting[index]?.resolve();
      await settled();
    }
    expect(failed(await large)).toEqual([]);
  });

  it('asks no more after a transient failure, and gives it as the reason for all that is left', async () => {
    const decryptor = new HeldDecryptor();
    const check = new ItemCheck(new PlaintextInspector(decryptor), 2, 9);
    const checked = check.check([...items(4), { key: 'bad', encryptedSecret: '!', context: {} }], never);
    await settled();
    decryptor.waiting[1]?.reject(new KmsError('transient', 'Throttling', 'KMS is busy'));
    const failures = failed(await checked);
    expect(failures.map(({ key, error }) => [key, error.code])).toEqual([
      ['0', 'Throttling'],
      ['1', 'Throttling'],
      ['2', 'Throttling'],
      ['3', 'Throttling'],
      ['bad', 'NotBase64'],
    ]);
  });

  it('goes on after failures that concern one key only', async () => {
    const decryptor = new HeldDecryptor();
    const check = new ItemCheck(new PlaintextInspector(decryptor), 4, 9);
    const checked = check.check(items(3), never);
    await settled();
    decryptor.waiting[0]?.reject(new KmsError('administrator', 'AccessDenied', 'denied'));
    decryptor.waiting[1]?.reject(new KmsError('wrong-input', 'InvalidCiphertext', 'rejected'));
    decryptor.waiting[2]?.resolve();
    expect(failed(await checked).map(({ error }) => error.code)).toEqual([
      'AccessDenied',
      'InvalidCiphertext',
    ]);
  });

  it('ends at once when the caller waits no longer', async () => {
    const decryptor = new HeldDecryptor();
    const check = new ItemCheck(new PlaintextInspector(decryptor), 1, 9);
    const giveUp = new AbortController();
    const checked = check.check(items(2), giveUp.signal);
    await settled();
    giveUp.abort();
    expect(failed(await checked).map(({ error }) => error.code)).toEqual(['Abandoned', 'Abandoned']);
  });

  it('turns reviews away beyond its limit, but never those that need no KMS', async () => {
    const decryptor = new HeldDecryptor();
    const check = new ItemCheck(new PlaintextInspector(decryptor), 1, 1);
    const first = check.check(items(1), never);
    await settled();
    await expect(check.check(items(1), never)).rejects.toThrow(TooManyReviews);
    expect(failed(await check.check(items(1, '!'), never))).toHaveLength(1);
    decryptor.waiting[0]?.resolve();
    expect(failed(await first)).toEqual([]);
    const next = check.check(items(1), never);
    await settled();
    decryptor.waiting[1]?.resolve();
    expect(failed(await next)).toEqual([]);
  });
});

describe('PlaintextInspector', () => {
  it.each([
    ['secret', false],
    ['secret\n', true],
    ['secret\r\n', true],
    ['\n', true],
    ['', false],
    ['two\nlines', false],
    ['two\nlines\n', false],
    ['secret\n\n', true],
    ['secret\r\n\n\r\n', true],
    ['\n\n', true],
    ['two\nlines\n\n', false],
    ['one\n\nother\n\n', false],
    ['an old Mac\r', false],
  ])(
    'tells of %j whether it is one line with line breaks at its end: %s',
    async (value, endsWithLineBreak) => {
      const inspector = new PlaintextInspector({ decrypt: () => Promise.resolve(value) });
      expect(await inspector.inspect({ encryptedSecret: 'AAAA', context: {} })).toEqual({
        endsWithLineBreak,
      });
    },
  );
});
