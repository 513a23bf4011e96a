import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { PrivateFolder } from '../../../../src/cli/editing/private-folder.js';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

let place: string;

beforeEach(() => {
  place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'private-'));
  chmodSync(place, 0o777);
  // No mode keeps root from anything.
  if (isRoot) process.seteuid?.(NOBODY);
});

afterEach(() => {
  if (isRoot) process.seteuid?.(0);
  rmSync(place, { recursive: true, force: true });
});

describe('PrivateFolder', () => {
  it('wipes what an editor has made read-only', () => {
    const folder = PrivateFolder.create({ XDG_RUNTIME_DIR: place });
    chmodSync(folder.write('web.yaml', 'a: b'), 0o400);
    const backups = join(folder.path, 'backups');
    mkdirSync(backups);
    writeFileSync(join(backups, '1'), 'a: b', { mode: 0o000 });
    chmodSync(backups, 0o500);
    chmodSync(folder.path, 0o500);
    folder.wipe();
    expect([existsSync(folder.path), readdirSync(place)]).toEqual([false, []]);
  });
});
