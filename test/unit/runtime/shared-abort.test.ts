import { describe, expect, it } from '@jest/globals';

import { sharedAbort } from '../../../src/runtime/shared-abort.js';

describe('sharedAbort', () => {
  it('makes no warning of a leak when many requests listen, and tells each', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const controller = sharedAbort();
    let told = 0;
    for (let index = 0; index < 50; index += 1) {
      controller.signal.addEventListener('abort', () => (told += 1), { once: true });
    }
    // Warnings are emitted in a later turn.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    controller.abort();
    expect(told).toBe(50);
    expect(warnings).toEqual([]);
  });
});
