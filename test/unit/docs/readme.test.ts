import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { readDocument } from './markdown.js';

const README = readDocument('README.md');

describe('README', () => {
  it('gives the commands that CI runs', () => {
    const commands = README.blocks.filter(({ language, mark }) => language === 'sh' && mark === '');
    const said = commands.flatMap(({ text }) => text.trim().split(/\n| && /));
    const ci = [...readFileSync('.ci/run', 'utf8').matchAll(/^run (npm \S+(?: [a-z]+)?)/gm)].map(
      ([, run]) => run,
    );
    expect(ci).toEqual(['npm ci', 'npm run check', 'npm test', 'npm run demo']);
    expect(said).toEqual(expect.arrayContaining(ci));
  });

  it('shows what the demo prints', () => {
    const story = readFileSync('scripts/demo/story.ts', 'utf8');
    const [shown] = README.blocks.filter(({ language }) => language === 'text');
    const lines = [...(shown?.text ?? '').matchAll(/^ *(?:\d\.|✓) (.+)$/gm)].map(([, line]) => line ?? '');
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.filter((line) => ![`'${line}'`, `"${line}"`].some((text) => story.includes(text)))).toEqual(
      [],
    );
  });
});
