import { existsSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

const ROW = /^\| .+ \| `(test\/[^`]+)`: (.+?) +\|$/;
const rows = readFileSync('docs/testing.md', 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, file, title] = ROW.exec(line) ?? [];
    return file === undefined || title === undefined ? [] : [{ file, title }];
  });

describe('the table from faults to tests', () => {
  it('has a test in every row', () => {
    expect(rows.length).toBeGreaterThan(60);
  });

  it.each(rows)('names a test of $file that exists: $title', ({ file, title }) => {
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file, 'utf8').includes(title)).toBe(true);
  });
});
