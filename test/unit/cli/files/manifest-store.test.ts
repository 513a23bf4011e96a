import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readManifest, writeManifest } from '../../../../src/cli/files/manifest-store.js';

const WEB = 'kind: KMSVaultSecret\nspec: {secrets: [{key: a, encryptedSecret: AA==}]}\n';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
  path = join(folder, 'web.yaml');
  writeFileSync(path, `\ufeff${WEB}`);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('writeManifest', () => {
  it('writes what was changed', async () => {
    const file = await readManifest(path);
    file.resources[0]?.setItem('a', { encryptedSecret: 'BB==' });
    await writeManifest(file);
    expect(readFileSync(path, 'utf8')).toBe(`\ufeff${WEB.replace('AA==', 'BB==')}`);
  });

  it('writes nothing over what somebody else has written since the file was read', async () => {
    const [mine, theirs] = await Promise.all([readManifest(path), readManifest(path)]);
    mine.resources[0]?.setItem('mine', { emptySecret: true });
    theirs.resources[0]?.setItem('theirs', { emptySecret: true });
    await writeManifest(theirs);
    await expect(writeManifest(mine)).rejects.toThrow('somebody else has changed the file');
    expect(readFileSync(path, 'utf8')).toBe(theirs.text);
    expect(readdirSync(folder)).toEqual(['web.yaml']);
  });
});
