import { describe, expect, it } from '@jest/globals';

import { KubeError } from '../../../src/kube/kube-error.js';
import { ExpiredTokenError } from '../../../src/watch/complete-list.js';
import { stepAfter } from '../../../src/watch/watch-failure.js';
import { WatchCutError, WatchInactiveError } from '../../../src/watch/watch-stream.js';

describe('stepAfter', () => {
  it.each([
    ['a silent stream', new WatchInactiveError(), { why: 'silent', relist: true, missed: true }],
    ['a cut stream', new WatchCutError('WATCH /x'), { why: 'cut', relist: false }],
    ['410', new KubeError('x', 410), { why: 'expired', relist: true, missed: true }],
    ['429', new KubeError('x', 429), { why: 'throttled', relist: false }],
    ['429 with a time', new KubeError('x', 429, 5_000), { why: 'throttled', relist: false, waitMs: 5_000 }],
  ])('has nothing to say about %s, which is part of normal life', (_what, error, step) => {
    expect(stepAfter(error)).toEqual(step);
  });

  it.each([
    ['no answer', new KubeError('x', undefined), 'unreachable'],
    ['404', new KubeError('x', 404), 'refused'],
    ['403', new KubeError('x', 403), 'refused'],
    ['401', new KubeError('x', 401), 'refused'],
    ['503', new KubeError('x', 503), 'refused'],
    ['a list that expires whatever its pages', new ExpiredTokenError(), 'expired'],
    ['a fault of its own', new TypeError('x'), 'error'],
  ])('lists again after %s and says why', (_what, error, why) => {
    expect(stepAfter(error)).toMatchObject({ why, relist: true, problem: { message: expect.any(String) } });
  });

  it('honours Retry-After of a server that is overloaded', () => {
    expect(stepAfter(new KubeError('x', 503, 9_000)).waitMs).toBe(9_000);
  });

  it('reports only the name of an unknown error', () => {
    expect(JSON.stringify(stepAfter(new TypeError('canary')))).not.toContain('canary');
  });
});
