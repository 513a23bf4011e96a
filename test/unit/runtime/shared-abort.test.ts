import { getMaxListeners } from 'node:events';

import { describe, expect, it } from '@jest/globals';

import { sharedAbort } from '../../../src/runtime/shared-abort.js';

describe('sharedAbort', () => {
  it('takes any number of listeners without a warning of a leak', () => {
    expect(getMaxListeners(new AbortController().signal)).toBeGreaterThan(0);
    expect(getMaxListeners(sharedAbort().signal)).toBe(0);
  });
});
