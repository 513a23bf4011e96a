import { afterEach, expect, it } from '@jest/globals';

import { guardProcess } from '../../../src/program/process-guard.js';

const { poolSize } = Buffer;

afterEach(() => {
  Buffer.poolSize = poolSize;
  process.removeAllListeners('SIGUSR1');
});

it('disables the buffer pool, whose unused memory may contain old data', () => {
  guardProcess([]);
  for (const bytes of [
    Buffer.from('text'),
    Buffer.from('dGV4dA==', 'base64'),
    Buffer.concat([Buffer.from('te')]),
  ])
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
});
