import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

interface Package {
  readonly scripts: Readonly<Record<string, string>>;
  readonly descriptions: Readonly<Record<string, string>>;
}
const { scripts, descriptions } = JSON.parse(readFileSync('package.json', 'utf8')) as Package;

describe('npm run help', () => {
  it('describes every script, and no script that does not exist', () => {
    expect(Object.keys(descriptions).sort()).toEqual(Object.keys(scripts).sort());
  });

  it('prints each command as it is typed', () => {
    const lines = execFileSync(process.execPath, ['scripts/help.mjs'], { encoding: 'utf8' }).split('\n');
    expect(lines).toHaveLength(Object.keys(scripts).length + 1);
    expect(lines.some((line) => /^npm test {2,}\S/.test(line))).toBe(true);
    expect(lines.some((line) => /^npm run demo {2,}\S/.test(line))).toBe(true);
  });
});
