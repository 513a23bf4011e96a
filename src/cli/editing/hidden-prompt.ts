import { AuthorError } from '../author-error.js';
import type { OutputStream } from '../console.js';

/** The terminal that a person types into. */
export interface PromptStream extends AsyncIterable<unknown> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): unknown;
  off(event: 'data' | 'end', listener: (chunk: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface Terminal {
  readonly input: PromptStream;
  /** Gets the questions. */
  readonly output: OutputStream;
}

const CTRL_C = 3;
const CTRL_D = 4;
const BACKSPACE = 8;
const ESCAPE = 27;
const DELETE = 127;

/**
 * Asks for a value twice without showing it. A value of one line: Enter ends it.
 *
 * @returns its bytes, which the caller zeroes.
 * @throws AuthorError when the two differ, or after Ctrl-C.
 */
export async function askHidden(
  { input, output }: Terminal,
  question: string,
  again: string,
): Promise<Uint8Array> {
  // Before the question, and until both are read: what is typed early must not be shown either.
  input.setRawMode?.(true);
  let first: Buffer;
  let second: Buffer;
  try {
    first = await readLine(input, output, question);
    second = await readLine(input, output, again);
  } finally {
    input.setRawMode?.(false);
  }
  const same = Buffer.compare(first, second) === 0;
  second.fill(0);
  if (!same) {
    first.fill(0);
    throw new AuthorError('the two values differ; nothing was changed');
  }
  return first;
}

async function readLine(input: PromptStream, output: OutputStream, question: string): Promise<Buffer> {
  output.write(question);
  const typed: number[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const done = (problem?: AuthorError): void => {
        input.off('data', onData);
        input.off('end', onEnd);
        if (problem === undefined) resolve();
        else reject(problem);
      };
      const onEnd = (): void => {
        done(new AuthorError('the terminal was closed; nothing was changed'));
      };
      const onData = (chunk: Buffer): void => {
        // The terminal sends a key such as an arrow as an escape sequence; a value cannot contain one.
        if (chunk[0] === ESCAPE) return;
        for (const byte of chunk) {
          if (byte === CTRL_C) {
            done(new AuthorError('interrupted; nothing was changed'));
            return;
          }
          if (byte === 10 || byte === 13 || byte === CTRL_D) {
            done();
            return;
          }
          if (byte === DELETE || byte === BACKSPACE) removeLastCharacter(typed);
          else typed.push(byte);
        }
      };
      input.on('data', onData);
      input.on('end', onEnd);
      input.resume();
    });
    return Buffer.from(typed);
  } finally {
    typed.fill(0);
    input.pause();
    output.write('\n');
  }
}

/** In UTF-8 a character has one byte that is not of the form 10xxxxxx. */
function removeLastCharacter(typed: number[]): void {
  let last: number | undefined;
  do last = typed.pop();
  while (last !== undefined && (last & 0xc0) === 0x80);
}
