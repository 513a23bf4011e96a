import { describe, expect, it } from '@jest/globals';

import { AnswerTooLargeError, KubeError, NoAnswerError } from '../../../src/kube/kube-error.js';
import type { CollectionLister, Page } from '../../../src/watch/collection-lister.js';
import { CompleteList } from '../../../src/watch/complete-list.js';
import { stepAfter } from '../../../src/watch/watch-failure.js';

const signal = new AbortController().signal;

interface Asked {
  readonly limit: number | undefined;
  readonly token: string | undefined;
}

/** Names `0` to `total - 1`, in pages; `fault` may refuse one. */
function listOf(total: number, fault: (asked: Asked, count: number) => Error | undefined) {
  const asked: Asked[] = [];
  const pauses: (number | undefined)[] = [];
  const page = (limit: number | undefined, token: string | undefined): Promise<Page> => {
    asked.push({ limit, token });
    const error = fault({ limit, token }, asked.length);
    if (error !== undefined) return Promise.reject(error);
    const from = Number(token ?? 0);
    const to = Math.min(total, from + (limit ?? total));
    const items = Array.from({ length: to - from }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'X',
      metadata: { name: String(from + index), resourceVersion: '1' },
    }));
    const more = to < total ? { continueToken: String(to) } : {};
    return Promise.resolve({ items, malformed: 0, resourceVersion: '7', ...more });
  };
  const list = new CompleteList({
    lister: { page } as unknown as CollectionLister,
    pageSize: 500,
    pause: (askedMs) => {
      pauses.push(askedMs);
      return Promise.resolve();
    },
  });
  const read = async (): Promise<string[]> => {
    let names: string[] = [];
    const last = await list.read(
      signal,
      () => (names = []),
      ({ items }) => {
        names.push(...items.map(({ metadata }) => metadata.name));
        return Promise.resolve();
      },
    );
    expect(last.resourceVersion).toBe('7');
    return names;
  };
  return { read, asked, pauses };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));
const tooLarge = (): Error => new AnswerTooLargeError('x', undefined);

describe('CompleteList', () => {
  it.each([
    ['larger than may be read', tooLarge],
    ['413', () => new KubeError('x', 413)],
  ])(
    'asks for smaller pieces where a page is %s, from the same place, and remembers it',
    async (_what, error) => {
      const { read, asked } = listOf(1_000, ({ limit }) => (Number(limit) > 125 ? error() : undefined));
      expect(await read()).toEqual(names(1_000));
      expect(asked.slice(0, 3)).toEqual([
        { limit: 500, token: undefined },
        { limit: 125, token: undefined },
        { limit: 125, token: '125' },
      ]);
      asked.length = 0;
      await read();
      expect(asked[0]).toEqual({ limit: 125, token: undefined });
    },
  );

  it('asks for smaller pieces after a pause where a page does not come in time, for this list alone', async () => {
    const slow = ({ token }: Asked, count: number): Error | undefined =>
      token === '500' && count === 2 ? new NoAnswerError('x', undefined) : undefined;
    const { read, asked, pauses } = listOf(1_000, slow);
    expect(await read()).toEqual(names(1_000));
    expect(asked[2]).toEqual({ limit: 125, token: '500' });
    expect(pauses).toHaveLength(1);
    asked.length = 0;
    await read();
    expect(asked[0]).toEqual({ limit: 500, token: undefined });
  });

  it('gives up where not even one object fits', async () => {
    const { read, asked } = listOf(10, tooLarge);
    await expect(read()).rejects.toBeInstanceOf(AnswerTooLargeError);
    expect(asked.map(({ limit }) => limit)).toEqual([500, 125, 31, 7, 1]);
  });

  it('asks for the same page again after a 429, when the server says', async () => {
    const { read, pauses } = listOf(1_000, ({ token }, count) =>
      token === '500' && count < 4 ? new KubeError('x', 429, 3_000) : undefined,
    );
    expect(await read()).toEqual(names(1_000));
    expect(pauses).toEqual([3_000, 3_000]);
  });

  /** A token lives for so many requests, in which etcd is compacted. */
  const tokensFor = (requests: number, unpaged?: () => Error) => {
    let first = 0;
    return ({ limit, token }: Asked, count: number): Error | undefined => {
      if (token === undefined) first = count;
      if (limit === undefined) return unpaged?.();
      if (limit > 2_000) return tooLarge();
      return token !== undefined && count - first >= requests ? new KubeError('x', 410) : undefined;
    };
  };

  it('begins again in larger pages when the list outlives its token, and never in one piece', async () => {
    const { read, asked } = listOf(10_000, tokensFor(6, tooLarge));
    expect(await read()).toEqual(names(10_000));
    expect(asked.filter(({ token }) => token === undefined).map(({ limit }) => limit)).toEqual([500, 2_000]);
    asked.length = 0;
    await read();
    expect(asked[0]).toEqual({ limit: 500, token: undefined });
  });

  it('reads in one piece what outlives its token in pages of any size', async () => {
    const { read, asked } = listOf(10_000, tokensFor(3));
    expect(await read()).toEqual(names(10_000));
    expect(asked.at(-1)).toEqual({ limit: undefined, token: undefined });
  });

  it('tries pages once more where one piece is larger than may be read', async () => {
    const slow = tokensFor(3, tooLarge);
    const quick = tokensFor(100, tooLarge);
    let isQuick = false;
    const { read, asked } = listOf(10_000, (request, count) => {
      const error = (isQuick ? quick : slow)(request, count);
      isQuick ||= request.limit === undefined;
      return error;
    });
    expect(await read()).toEqual(names(10_000));
    expect(asked.at(-1)?.limit).toBe(2_000);
  });

  it.each([403, 500])('leaves %i to the caller', async (status) => {
    const { read, asked } = listOf(10, () => new KubeError('x', status));
    await expect(read()).rejects.toMatchObject({ status });
    expect(asked).toHaveLength(1);
  });

  it('says what is wrong where no list is complete before its token expires', async () => {
    const { read } = listOf(100_000, ({ limit, token }) => {
      if (limit === undefined) return tooLarge();
      return token === undefined ? undefined : new KubeError('x', 410);
    });
    const error: unknown = await read().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KubeError);
    expect(stepAfter(error).problem?.facts.detail).toContain('continue token of the list expires');
  });
});
