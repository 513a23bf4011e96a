import { describe, expect, it } from '@jest/globals';

import { Editor, wordsOf } from '../../../../src/cli/editing/editor.js';
import { systemClock } from '../../../../src/runtime/clock.js';

describe('Editor', () => {
  it.each([
    ['vi', ['vi']],
    ['code --wait', ['code', '--wait']],
    ['  "C:\\\\Program Files\\\\x" -w ', ['C:\\Program Files\\x', '-w']],
    ["'/opt/my editor'/bin -c 'set tw=0'", ['/opt/my editor/bin', '-c', 'set tw=0']],
    ['/opt/my\\ editor', ['/opt/my editor']],
    ['emacs --eval "(say \\"hi\\")"', ['emacs', '--eval', '(say "hi")']],
  ])('splits %j as a shell does', (command, words) => {
    expect(wordsOf(command)).toEqual(words);
  });

  it('is that of VISUAL, of EDITOR, or vi', () => {
    const command = (environment: Record<string, string>): readonly string[] =>
      new Editor(environment, systemClock).command;
    expect(command({ VISUAL: 'a -w', EDITOR: 'b' })).toEqual(['a', '-w']);
    expect(command({ VISUAL: ' ', EDITOR: 'b' })).toEqual(['b']);
    expect(command({})).toEqual(['vi']);
  });
});
