import { type ChildProcess, spawn } from 'node:child_process';

import { inject, injectable } from 'tsyringe';

import type { Clock } from '../../runtime/clock.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';

/** An editor may ask whether it should save; then it is killed. */
const EDITOR_GRACE_MS = 1_000;

/** Runs the author's editor. */
@injectable()
export class Editor {
  private running: { readonly child: ChildProcess; readonly ended: Promise<unknown> } | undefined;
  private stopped = false;

  constructor(
    @inject(TOKENS.environment) private readonly environment: Readonly<Record<string, string | undefined>>,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  /** `$VISUAL`, else `$EDITOR`, else vi; with arguments. */
  get command(): readonly string[] {
    const { VISUAL: visual = '', EDITOR: editor = '' } = this.environment;
    const words = wordsOf([visual, editor].find((value) => value.trim() !== '') ?? 'vi');
    if (words.length === 0) throw new AuthorError('VISUAL or EDITOR names no program');
    return words;
  }

  /**
   * Opens a file and waits until the editor ends. After {@link stop} it never returns, because the process ends.
   *
   * @param folder where the editor may keep files of its own.
   * @throws AuthorError when the editor cannot be started, or fails.
   */
  async open(path: string, folder: string): Promise<void> {
    const [program = '', ...args] = this.command;
    const child = spawn(program, [...args, path], {
      stdio: 'inherit',
      env: { ...this.environment, TMPDIR: folder },
    });
    const ended = new Promise<{ code: number | null; signal: string | null } | Error>((resolve) => {
      child.on('error', resolve);
      child.on('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
    this.running = { child, ended };
    const result = await ended;
    this.running = undefined;
    if (this.stopped) await new Promise<never>(() => undefined);
    if (result instanceof Error) {
      throw new AuthorError(`the editor ${program} cannot be started: set VISUAL or EDITOR`);
    }
    const { code, signal } = result;
    if (code === 0) return;
    const how = code === null ? (signal ?? 'a signal') : String(code);
    throw new AuthorError(`the editor ${program} ended with ${how}; nothing was changed`);
  }

  /** Ends the editor, if one is open; one that does not end by itself is killed. At the second call it is killed at once. */
  async stop(): Promise<void> {
    if (this.running === undefined) return;
    const { child, ended } = this.running;
    child.kill(this.stopped ? 'SIGKILL' : 'SIGTERM');
    this.stopped = true;
    const cancel = this.clock.setTimer(EDITOR_GRACE_MS, () => child.kill('SIGKILL'));
    await ended;
    cancel();
  }
}

/** Splits a command at blanks; quotes and backslashes keep blanks, as in a shell. */
export function wordsOf(command: string): string[] {
  const words: string[] = [];
  const word = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  for (const [text] of command.matchAll(word)) {
    words.push(
      text.replace(
        /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
        (_all, escaped?: string, double?: string, single?: string) =>
          escaped ?? single ?? (double ?? '').replace(/\\(["\\$`])/g, '$1'),
      ),
    );
  }
  return words;
}
