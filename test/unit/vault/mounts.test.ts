import { describe, expect, it } from '@jest/globals';

import { Mounts } from '../../../src/vault/mounts.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';

describe('Mounts', () => {
  it('goes on with a look-up for the others when the one who began it gives up', async () => {
    let answer: (response: VaultResponse) => void = () => undefined;
    const requests: Omit<VaultRequest, 'token'>[] = [];
    const mounts = new Mounts({
      request: (request) => {
        requests.push(request);
        return new Promise((resolve, reject) => {
          answer = resolve;
          request.signal?.addEventListener('abort', () => {
            reject(new Error('aborted'));
          });
        });
      },
    });
    const first = new AbortController();
    const begun = mounts.of('secret/data/app', first.signal);
    const joined = mounts.of('secret/data/app', new AbortController().signal);
    first.abort();
    await expect(begun).rejects.toMatchObject({ failure: 'unavailable' });
    const text = JSON.stringify({ data: { path: 'secret/', type: 'kv', options: { version: '2' } } });
    answer({ status: 200, text });
    expect(await joined).toEqual({ path: 'secret', type: 'kv', engine: 'v2' });
    expect(requests).toHaveLength(1);
  });
});
