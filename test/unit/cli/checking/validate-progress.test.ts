import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { ValidateFiles } from '../../../../src/cli/checking/validate-files.js';
import { Console } from '../../../../src/cli/console.js';

const RESOURCE = 'kind: PartialKMSVaultSecret\nspec: {secrets: [{key: a, emptySecret: true}]}\n';
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'progress-'));
  for (const name of ['a', 'b']) writeFileSync(join(folder, `${name}.yaml`), RESOURCE);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What stderr shows. */
async function shown(isTTY: boolean, quiet: boolean): Promise<string> {
  let stderr = '';
  const console = new Console({
    stdout: { write: () => undefined },
    stderr: { isTTY, write: (text) => (stderr += text) },
    environment: {},
  });
  console.quiet = quiet;
  const unasked = (): Promise<never> => Promise.reject(new Error('there is nothing to ask KMS'));
  await new ValidateFiles(console, { inspect: unasked }, { reEncrypt: unasked }, 5).run({
    paths: [folder],
    format: 'text',
    kms: true,
    namespace: 'default',
    refusePlaintext: false,
    policy: {},
  });
  return stderr;
}

describe('the progress of a check', () => {
  it('is shown on a terminal, unless nobody wants to see it', async () => {
    expect(await shown(true, false)).toContain('checked 2 of 2 resources');
    expect(await shown(false, false)).toBe('2 resources in 2 files: 0 errors, 0 warnings\n');
    expect(await shown(true, true)).toBe('');
  });
});
