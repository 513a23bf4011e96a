import { describe, expect, it } from '@jest/globals';

import { Console } from '../../../src/cli/console.js';
import { runCommandLine } from '../../../src/cli/program.js';

const CANARY = 'canary-of-a-value';

describe('an error that nobody expected', () => {
  it('is shown by its name and its place, because its message may hold a value', async () => {
    let printed = '';
    const stream = { write: (text: string) => (printed += text) };
    const code = await runCommandLine(['view', 'web.yaml'], {
      console: new Console({ stdout: stream, stderr: stream, environment: {} }),
      build: { version: '1', commit: 'c' },
      service: () => Promise.reject(new RangeError(`cannot parse ${CANARY}`)),
    });
    expect(code).toBe(1);
    expect(printed).toMatch(/^error: unexpected RangeError; nothing more was done\nat /);
    expect(printed).not.toContain(CANARY);
  });
});
