import { getEventListeners } from 'node:events';

import { describe, expect, it } from '@jest/globals';

import { onAbort, unlessAborted } from '../../../src/runtime/abort.js';

const gone = (): Error => new Error('gone');

describe('onAbort', () => {
  it('calls once when the signal aborts, and at once when it has', () => {
    const source = new AbortController();
    let calls = 0;
    const count = (): void => void (calls += 1);
    onAbort(source.signal, count);
    expect(calls).toBe(0);
    source.abort();
    source.abort();
    expect(calls).toBe(1);
    onAbort(source.signal, count);
    expect(calls).toBe(2);
    onAbort(undefined, count)();
    expect(calls).toBe(2);
  });

  it('leaves nothing on the signal once it is told to stop', () => {
    const source = new AbortController();
    let calls = 0;
    onAbort(source.signal, () => void (calls += 1))();
    expect(getEventListeners(source.signal, 'abort')).toHaveLength(0);
    source.abort();
    expect(calls).toBe(0);
  });
});

describe('unlessAborted', () => {
  it('gives what the promise gives, and leaves nothing on the signal', async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(Promise.resolve(1), signal, gone)).toBe(1);
    await expect(unlessAborted(Promise.reject(new Error('broken')), signal, gone)).rejects.toThrow('broken');
    expect(await unlessAborted(Promise.resolve(2), undefined, gone)).toBe(2);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends the wait for what never comes', async () => {
    const source = new AbortController();
    const waiting = unlessAborted(new Promise<never>(() => undefined), source.signal, gone);
    source.abort();
    await expect(waiting).rejects.toThrow('gone');
    await expect(unlessAborted(new Promise<never>(() => undefined), source.signal, gone)).rejects.toThrow(
      'gone',
    );
  });
});
