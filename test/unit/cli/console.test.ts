import { describe, expect, it } from '@jest/globals';

import { Console } from '../../../src/cli/console.js';

function consoleOn(
  isTTY: boolean,
  environment: Record<string, string> = {},
): { console: Console; said: { out: string; err: string } } {
  const said = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({
    isTTY,
    columns: 10,
    write: (text: string): void => {
      said[name] += text;
    },
  });
  return { console: new Console({ stdout: stream('out'), stderr: stream('err'), environment }), said };
}

describe('Console', () => {
  it.each([
    ['a terminal', true, {}, '\u001b[31mx\u001b[39m'],
    ['no terminal', false, {}, 'x'],
    ['NO_COLOR', true, { NO_COLOR: '1' }, 'x'],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, '\u001b[31mx\u001b[39m'],
    ['a dumb terminal', true, { TERM: 'dumb' }, 'x'],
  ])('colours or not on %s', (_what, isTTY, environment, expected) => {
    expect(consoleOn(isTTY, environment).console.colour('red', 'x')).toBe(expected);
  });

  it('gives results to stdout and the rest to stderr', () => {
    const { console, said } = consoleOn(false);
    console.print('result');
    console.note('note');
    console.warn('warned');
    console.error('wrong');
    expect(said).toEqual({ out: 'result\n', err: 'note\nwarning: warned\nerror: wrong\n' });
  });

  it('shows no control character of a name to the terminal, and keeps line breaks', () => {
    const { console, said } = consoleOn(true, { NO_COLOR: '1' });
    console.note('added \u001b[2Ja');
    console.warn('b\u009b1m');
    console.error('c\n at d\r');
    expect(said.err).toBe('added \\u{1b}[2Ja\nwarning: b\\u{9b}1m\nerror: c\n at d\\u{d}\n');
  });

  it('leaves out notes and progress when it is quiet', () => {
    const { console, said } = consoleOn(true, { NO_COLOR: '1' });
    console.quiet = true;
    console.note('note');
    console.progress('1 of 2');
    console.warn('warned');
    expect(said.err).toBe('warning: warned\n');
  });

  it('shows progress on a terminal only, in one line that goes away', () => {
    const { console, said } = consoleOn(true);
    console.progress('a long line of progress');
    console.print('result');
    expect(said).toEqual({ out: 'result\n', err: '\r\u001b[Ka long li\r\u001b[K' });
    const piped = consoleOn(false);
    piped.console.progress('1 of 2');
    expect(piped.said.err).toBe('');
  });

  it('adds a line break to a value only for people', () => {
    for (const [isTTY, expected] of [
      [true, 'x\n'],
      [false, 'x'],
    ] as const) {
      const { console, said } = consoleOn(isTTY);
      console.value('x');
      expect(said.out).toBe(expected);
    }
  });
});
