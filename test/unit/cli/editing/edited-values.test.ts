import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { editableText, editedValues } from '../../../../src/cli/editing/edited-values.js';

const value = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('a', '\n', ' ', '\t', ':', '#', '"', "'", '\r', '|', '-') }),
  fc.constantFrom(
    'yes',
    'null',
    '012',
    '1e3',
    '\n',
    ' ',
    '- a',
    '{a: b}',
    '*a',
    '%a',
    '---',
    '\u2028',
    '\u0085',
    'a\n\n',
  ),
);

describe('the text for the editor', () => {
  it('gives every value back as it was', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1, unit: 'grapheme' }), value), (values) => {
        const items = Object.entries(values).map(([key, text]) => ({
          key,
          kind: 'value' as const,
          value: text,
          context: '',
        }));
        expect([...editedValues(editableText('a\nb', 'c', items))]).toEqual(Object.entries(values));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is as an author would write it', () => {
    const items = Object.entries({ a: 'plain', b: 'a\nb\n', c: 'a: b', d: 'a\nb', e: 'say "hi"', f: '' }).map(
      ([key, text]) => ({ key, kind: 'value' as const, value: text, context: '' }),
    );
    expect(editableText('', '', items).split('\n\n').at(-1)).toBe(
      'a: plain\nb: |\n  a\n  b\nc: "a: b"\nd: |-\n  a\n  b\ne: \'say "hi"\'\nf: ""\n',
    );
  });

  it('takes numbers and words for texts, and a missing value for an empty one', () => {
    expect([...editedValues('a: 5432\nb: yes\nc:\nd: ~\n')]).toEqual([
      ['a', '5432'],
      ['b', 'yes'],
      ['c', ''],
      ['d', '~'],
    ]);
    expect([...editedValues('a: b#c\n'), ...editedValues('# x\nd: "e" # f\n# y\n')]).toEqual([
      ['a', 'b#c'],
      ['d', 'e'],
    ]);
    expect(editedValues('# nothing\n').size).toBe(0);
    expect(editedValues('').size).toBe(0);
  });

  it.each([
    'a: [hunter2',
    'a: hunter2\na: b',
    '- hunter2',
    'hunter2',
    'a: b\n---\nhunter2: c',
    'a: "\\qhunter2"',
    'a: !x hunter2 y: z',
    'a: &hunter2 b\nc: *hunter3',
    // A part of each would be lost.
    'a: &hunter2 b',
    'a: &hunter2',
    'a: !hunter2 b',
    'a: ! hunter2',
    'a: hunter2 # b',
    'a: #hunter2',
    'a: hunter2\n  more #hunter2\nb: c',
    '&hunter2 a: b',
  ])('refuses %j without quoting it', (text) => {
    let message = '';
    try {
      editedValues(text);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toBe('');
    expect(message).not.toContain('hunter');
  });
});
