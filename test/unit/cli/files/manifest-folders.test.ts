import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { manifestPaths } from '../../../../src/cli/files/manifest-folders.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'folders-'));
  for (const path of [
    'b/x.yml',
    'b/.hidden.yaml',
    '.git/y.yaml',
    'b/node_modules/z.yaml',
    'a.json',
    'c.txt',
  ]) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('manifestPaths', () => {
  it('finds the manifests below folders, takes files as they are, and none twice', async () => {
    const at = (path: string): string => join(folder, path);
    expect(await manifestPaths([folder, at('c.txt'), at('a.json')])).toEqual([
      at('a.json'),
      at('b/x.yml'),
      at('c.txt'),
    ]);
  });

  it('says what is missing', async () => {
    await expect(manifestPaths([join(folder, 'nowhere')])).rejects.toThrow('there is no such file');
    await expect(manifestPaths([join(folder, '.git/..', 'b/node_modules')])).resolves.toHaveLength(1);
    mkdirSync(join(folder, 'empty'));
    await expect(manifestPaths([join(folder, 'empty')])).rejects.toThrow('there is no .yaml');
  });
});
