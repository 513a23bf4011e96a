import { createHash, createHmac } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import { Sha256 } from '../../../src/runtime/sha256.js';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('Sha256', () => {
  it.each([
    ['nothing', []],
    ['one string, as UTF-8', ['ä€']],
    ['several parts of different types', ['a', Buffer.from('bc').subarray(1), new Uint8Array([1, 2]).buffer]],
  ])('hashes %s like node:crypto', async (_, parts) => {
    const [ours, hash, hmac, mac] = [
      new Sha256(),
      createHash('sha256'),
      new Sha256('secret'),
      createHmac('sha256', 'secret'),
    ];
    for (const part of parts) {
      for (const sum of [ours, hmac]) sum.update(part);
      for (const sum of [hash, mac]) sum.update(part instanceof ArrayBuffer ? new Uint8Array(part) : part);
    }
    expect(hexOf(await ours.digest())).toBe(hash.digest('hex'));
    expect(hexOf(await hmac.digest())).toBe(mac.digest('hex'));
  });

  it('takes a view of a larger buffer as its secret, and begins again after a reset', async () => {
    const secret = Buffer.from('xsecret').subarray(1);
    const hmac = new Sha256(secret);
    hmac.update('forgotten');
    hmac.reset();
    hmac.update('text');
    expect(hexOf(await hmac.digest())).toBe(createHmac('sha256', 'secret').update('text').digest('hex'));
  });
});
