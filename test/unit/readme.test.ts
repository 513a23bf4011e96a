import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { READY_REASONS } from '../../src/api/reasons.js';
import { OPERATOR_FLAGS } from '../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';

// The formatter pads the cells of tables.
const README = readFileSync('README.md', 'utf8').replace(/ +/g, ' ');

/** The first cells of the table below a heading. */
function firstCells(heading: string): string[] {
  const section = README.split(/^#+ /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

describe('README', () => {
  it('lists exactly the flags that there are, with their defaults', () => {
    expect(firstCells('Flags')).toEqual(OPERATOR_FLAGS.map(({ name }) => `--${name}`));
    for (const { name, default: value } of OPERATOR_FLAGS) {
      if (value !== undefined) expect(README).toContain(`| \`--${name}\` | \`${value}\` |`);
    }
  });

  it('lists exactly the auth methods and their variables', () => {
    expect(firstCells('Environment')).toEqual(AUTH_METHODS.map(({ name }) => name));
    for (const { name, variables } of AUTH_METHODS) {
      const names = variables.map((variable) => `\`${variable.name}\``).join(', ');
      expect(README).toContain(`| \`${name}\` | ${names} |`);
    }
  });

  it('explains every reason of the Ready condition', () => {
    expect(firstCells('What each status means').sort()).toEqual([...READY_REASONS].sort());
  });

  it('names commands that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = [...README.matchAll(/npm (?:run )?(demo|test|check|test:e2e|build)\b/g)].map(
      (match) => match[1] ?? '',
    );
    expect(named.length).toBeGreaterThan(4);
    for (const name of named) expect(scripts).toHaveProperty([name]);
  });
});
