import { readFile } from 'node:fs/promises';

import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import { fileError } from '../files/manifest-store.js';
import { askHidden, type PromptStream } from './hidden-prompt.js';

/** Where a value comes from; at most one of them is given. */
export interface ValueSource {
  /** A path, or `-` for stdin. */
  readonly fromFile?: string | undefined;
  readonly fromLiteral?: string | undefined;
  readonly empty?: boolean | undefined;
}

/** Takes the value of a key from where the author has it. */
@injectable()
export class ValueInput {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.stdin) private readonly stdin: PromptStream,
  ) {}

  /**
   * @returns the bytes, which the caller zeroes; undefined for an empty value.
   * @throws AuthorError
   */
  async read(key: string, source: ValueSource): Promise<Uint8Array | undefined> {
    const { fromFile, fromLiteral, empty } = source;
    const given = [fromFile, fromLiteral, empty === true ? '' : undefined].filter(
      (value) => value !== undefined,
    );
    if (given.length > 1) throw new AuthorError('give only one of --from-file, --from-literal and --empty');
    if (empty === true) return undefined;
    if (fromLiteral !== undefined) {
      this.console.warn(
        'the value is in the history of your shell now, and other users of this machine can see the arguments of ' +
          'programs: use --from-file or the prompt instead',
      );
      return Buffer.from(fromLiteral);
    }
    if (fromFile === '-') return await this.readStdin();
    if (fromFile !== undefined) {
      try {
        return await readFile(fromFile);
      } catch (error) {
        throw fileError(fromFile, 'read', error);
      }
    }
    if (this.stdin.isTTY !== true) {
      throw new AuthorError(
        'no value is given: use --from-file F, --from-file - for stdin, --empty, or a terminal, which asks for it',
      );
    }
    return await askHidden(this.console.terminal(this.stdin), `Value of ${key} (not shown): `, 'Once more: ');
  }

  private async readStdin(): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.stdin) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    for (const chunk of chunks) chunk.fill(0);
    return bytes;
  }
}
