import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { READY_REASONS } from '../../../src/api/reasons.js';
import { OPERATOR_FLAGS } from '../../../src/config/operator-config.js';
import { WEBHOOK_FLAGS } from '../../../src/config/webhook-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

// The formatter pads the cells of tables.
const README = readFileSync('README.md', 'utf8').replace(/ +/g, ' ');

/** The first cells of the table below a heading. */
function firstCells(heading: string): string[] {
  const section = README.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

/** Reasons of events as the code names them: those of conditions and those that are events alone. */
function eventReasons(): string[] {
  const source = readFileSync('src/api/reasons.ts', 'utf8');
  const types = source.slice(source.indexOf('NormalEventReason'));
  const unlisted = new Set<string>([...READY_REASONS]);
  return [...types.matchAll(/'(\w+)'/g)].map(([, name]) => name ?? '').filter((name) => !unlisted.has(name));
}

describe('README', () => {
  it('answers in the order in which a stranger asks', () => {
    const headings = [...README.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Show me',
      'Install',
      'Configure',
      'Encrypt a secret',
      'What each status means',
      'When something fails',
      'Migrating from the Go operator',
      'Verify the image',
      'Security',
      'Known limits',
      'Develop',
    ]);
  });

  it.each([
    ['Flags', '--', OPERATOR_FLAGS],
    ['Flags of the webhook', '-', WEBHOOK_FLAGS],
  ])('lists exactly the %s that there are, with their defaults', (heading, dashes, flags) => {
    expect(firstCells(heading)).toEqual(flags.map(({ name }) => `${dashes}${name}`));
    for (const { name, default: value } of flags) {
      if (value !== undefined) expect(README).toContain(`| \`${dashes}${name}\` | \`${value}\` |`);
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

  it('explains every event that is not such a reason', () => {
    expect(eventReasons().length).toBeGreaterThan(8);
    expect(firstCells('Events').sort()).toEqual(eventReasons().sort());
  });

  it('names commands that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = [...README.matchAll(/npm (?:run )?(demo|test|check|test:e2e|build|bench)\b/g)].map(
      (match) => match[1] ?? '',
    );
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(scripts).toHaveProperty([name]);
  });
});
