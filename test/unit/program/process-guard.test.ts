import { afterEach, expect, it } from '@jest/globals';

import { guardProcess } from '../../../src/program/process-guard.js';

const { poolSize } = Buffer;

afterEach(() => {
  Buffer.poolSize = poolSize;
  process.removeAllListeners('SIGUSR1');
});

it('leaves no buffer with more memory than its own bytes, which could hold what freed memory held', () => {
  guardProcess([]);
  for (const bytes of [
    Buffer.from('text'),
    Buffer.from('dGV4dA==', 'base64'),
    Buffer.concat([Buffer.from('te')]),
  ])
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
});
