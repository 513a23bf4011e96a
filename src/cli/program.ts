import { Command, CommanderError } from 'commander';

import { OperatorError } from '../api/errors.js';
import type { BuildInfo } from '../config/config.js';
import { traceOf } from '../runtime/error-name.js';
import { AuthorError } from './author-error.js';
import type { CommandRun } from './command-definition.js';
import { COMMANDS } from './commands/table.js';
import { COMPLETE, completionLines } from './completing/protocol.js';
import type { Console } from './console.js';

/** As kubectl and krew name it; the file is `kubectl-kms_vault`. */
export const PROGRAM_NAME = 'kubectl kms-vault';

export interface ProgramParts {
  readonly console: Console;
  readonly build: BuildInfo;
  /** See {@link CommandRun.service}. */
  readonly service: CommandRun['service'];
}

/**
 * Runs one command line.
 *
 * @param argv without the interpreter and the script.
 * @returns the exit code: 0; 1 after an error, which is on stderr; or what the command sets.
 */
export async function runCommandLine(argv: readonly string[], parts: ProgramParts): Promise<number> {
  const { console } = parts;
  let exitCode = 0;
  const program = createProgram({
    ...parts,
    exitWith: (code) => {
      exitCode = code;
    },
  });
  if (argv[0] === COMPLETE) {
    for (const line of completionLines(program, argv.slice(1))) console.print(line);
    return 0;
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    console.progressDone();
    // Commander has printed help, version or problem; an exit code of 2 means changes here.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    if (error instanceof AuthorError || error instanceof OperatorError) {
      for (const line of error.message.split('\n')) console.error(line);
    } else {
      console.error(unforeseenText(error));
    }
    return 1;
  }
}

/** The tree of all commands, which the reference is made of, too. */
export function createProgram({ build, ...run }: CommandRun & Pick<ProgramParts, 'build'>): Command {
  const { console } = run;
  const program = new Command(PROGRAM_NAME)
    .description('Encrypts, edits, checks and rotates KMSVaultSecrets and PartialKMSVaultSecrets in files.')
    .version(
      `${build.version} (${build.commit}), Node ${process.version}`,
      '-V, --version',
      'show the version',
    )
    .option('-q, --quiet', 'show results, warnings and errors only')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [COMMAND]', 'show the help of a command')
    .showSuggestionAfterError()
    .on('option:quiet', () => {
      console.quiet = true;
    });
  for (const define of COMMANDS) program.addCommand(define(run));
  program.exitOverride().configureOutput({
    writeOut: (text) => {
      console.write(text);
    },
    writeErr: (text) => {
      process.stderr.write(text);
    },
    outputError: (text, write) => {
      write(withoutArguments(text));
    },
  });
  for (const command of program.commands) {
    command.copyInheritedSettings(program).helpOption('-h, --help', 'show this help');
  }
  for (const command of [program, ...program.commands])
    command.showHelpAfterError(`(see ${commandName(command)} --help)`);
  return program;
}

/** What is shown of an error that nobody expected: its message may hold a value. */
export function unforeseenText(error: unknown): string {
  const { name, frames } = traceOf(error);
  return [`unexpected ${name}; nothing more was done`, ...frames].join('\n');
}

/** A mistyped `--from-literal=…` must not put the value into a log. */
function withoutArguments(text: string): string {
  return text.replace(/'(--?[^'=\s]+)=.*'/s, "'$1=…'");
}

/** The words that run a command. */
export function commandName(command: Command): string {
  return command.parent === null ? command.name() : `${commandName(command.parent)} ${command.name()}`;
}
