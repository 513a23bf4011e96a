import { afterEach, expect, it } from '@jest/globals';

import { guardProcess } from '../../../src/program/process-guard.js';

const original = { ...Buffer };

afterEach(() => {
  Object.assign(Buffer, original);
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

it.each(['allocUnsafe', 'allocUnsafeSlow'] as const)('fills the buffers of Buffer.%s with zeros', (name) => {
  guardProcess([]);
  const size = 2_048;
  // What is freed at once is what the next allocation of this size most likely gets.
  for (let round = 0; round < 1_000; round += 1) {
    const bytes = Buffer[name](size);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    structuredClone(bytes.fill(1).buffer, { transfer: [bytes.buffer] });
  }
});
