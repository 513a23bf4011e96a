import { EventEmitter } from 'node:events';

import { describe, expect, it } from '@jest/globals';

import { askHidden, type PromptStream } from '../../../../src/cli/editing/hidden-prompt.js';

/** A terminal at which somebody types each time it is asked. */
class Keyboard extends EventEmitter implements PromptStream {
  readonly isTTY = true;
  readonly modes: boolean[] = [];
  /** What the terminal gets, and when it shows what is typed. */
  shown = '';

  constructor(private readonly typed: (string | Buffer)[][]) {
    super();
  }

  setRawMode(raw: boolean): void {
    this.modes.push(raw);
    this.shown += raw ? '[raw]' : '[cooked]';
  }

  resume(): void {
    queueMicrotask(() => {
      for (const keys of this.typed.shift() ?? []) this.emit('data', Buffer.from(keys));
    });
  }

  pause(): void {
    // Nothing is typed any more.
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<never> {
    // Not read in this way.
  }
}

async function ask(
  ...typed: (string | Buffer)[][]
): Promise<{ value: string; shown: string; modes: boolean[] }> {
  const keyboard = new Keyboard(typed);
  const output = {
    write: (text: string): void => {
      keyboard.shown += text;
    },
  };
  const bytes = await askHidden({ input: keyboard, output }, 'Value: ', 'Again: ');
  expect(keyboard.eventNames()).toEqual([]);
  return { value: Buffer.from(bytes).toString(), shown: keyboard.shown, modes: keyboard.modes };
}

describe('askHidden', () => {
  it('reads a value without showing it, and gives the terminal back', async () => {
    const { value, shown, modes } = await ask(['s3', 'crét\r'], ['s3crét\r']);
    expect(value).toBe('s3crét');
    expect(shown).toBe('[raw]Value: \nAgain: \n[cooked]');
    expect(modes).toEqual([true, false]);
  });

  it('corrects whole characters, and takes no arrow keys', async () => {
    expect((await ask(['aé\x7f\x7fb', '\x1b[A', '\n'], ['b\x04'])).value).toBe('b');
    // A character that arrives in two parts.
    expect((await ask([Buffer.from([0xc3]), Buffer.from([0xa9]), '\r'], ['é\r'])).value).toBe('é');
  });

  it('refuses two values that differ, and ends after Ctrl-C', async () => {
    await expect(ask(['a\r'], ['b\r'])).rejects.toThrow('the two values differ');
    await expect(ask(['a\x03'])).rejects.toThrow('interrupted; nothing was changed');
  });
});
