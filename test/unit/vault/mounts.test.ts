import { describe, expect, it } from '@jest/globals';

import { type Mount, Mounts } from '../../../src/vault/mounts.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';
import { settled } from '../../support/fake-clock.js';

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
    expect(await joined).toMatchObject({ path: 'secret', type: 'kv', engine: 'v2' });
    expect(requests).toHaveLength(1);
  });
});

describe('a mount that has to be looked up again', () => {
  /** Vault, whose answers wait until they are asked for. */
  class HeldVault {
    readonly asked: string[] = [];
    private readonly answers: ((response: VaultResponse) => void)[] = [];

    request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse> {
      this.asked.push(request.path.slice('sys/internal/ui/mounts/'.length));
      return new Promise((resolve) => this.answers.push(resolve));
    }

    answer(path: string, version = '2'): void {
      const text = JSON.stringify({ data: { path: `${path}/`, type: 'kv', options: { version } } });
      this.answers.shift()?.({ status: 200, text });
    }

    deny(): void {
      this.answers.shift()?.({ status: 403, text: '{"errors":["permission denied"]}' });
    }
  }

  async function prepare(): Promise<{ vault: HeldVault; mounts: Mounts; before: Mount }> {
    const vault = new HeldVault();
    const mounts = new Mounts(vault);
    const first = mounts.of('secret/data/first');
    vault.answer('secret');
    return { vault, mounts, before: await first };
  }

  it('costs one request for all secrets that ask before the answer', async () => {
    const { vault, mounts, before } = await prepare();
    const moments = [mounts.moment(), mounts.moment()];
    const a = mounts.ofSince(moments[0] ?? 0, 'secret/data/a', before);
    const b = mounts.ofSince(moments[1] ?? 0, 'secret/data/b', before);
    vault.answer('secret');
    expect([(await a).path, (await b).path]).toEqual(['secret', 'secret']);
    // Nor for one that learnt before it was sent, and asks afterwards.
    await mounts.ofSince(moments[1] ?? 0, 'secret/data/c', before);
    expect(vault.asked).toEqual(['secret/data/first', 'secret/data/a']);
  });

  it('is asked for again by a secret that learnt later than the request was sent', async () => {
    const { vault, mounts, before } = await prepare();
    const a = mounts.ofSince(mounts.moment(), 'secret/data/a', before);
    const b = mounts.ofSince(mounts.moment(), 'secret/data/b', before);
    // Sent in this order, answered in the other: the older answer does not replace the newer one.
    vault.answer('secret', '2');
    vault.answer('secret', '1');
    expect([(await a).engine, (await b).engine]).toEqual(['v2', 'v1']);
    expect(await mounts.of('secret/data/c')).toMatchObject({ engine: 'v1' });
    expect(vault.asked).toEqual(['secret/data/first', 'secret/data/a', 'secret/data/b']);
  });

  it('is asked for by each secret that the shared answer does not help', async () => {
    const { vault, mounts, before } = await prepare();
    const moment = mounts.moment();
    const a = mounts.ofSince(moment, 'secret/data/a', before);
    const b = mounts.ofSince(moment, 'secret/data/b', before);
    vault.deny();
    await expect(a).rejects.toThrow('no secrets engine is mounted for secret/data/a');
    await settled();
    vault.deny();
    await expect(b).rejects.toThrow('no secrets engine is mounted for secret/data/b');
    const c = mounts.ofSince(mounts.moment(), 'secret/data/c', before);
    const d = mounts.ofSince(mounts.moment() - 2, 'secret/data/d', before);
    // Mounts that are longer than the one before: they belong to one secret each.
    vault.answer('secret/data/c');
    await settled();
    vault.answer('secret/data');
    expect([(await c).path, (await d).path]).toEqual(['secret/data/c', 'secret/data']);
  });
});
