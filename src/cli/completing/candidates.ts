import type { Argument, Command, Option } from 'commander';

/** A word that may stand at the cursor. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Files and folders fit, too. */
  readonly files: boolean;
}

const NOTHING: Completion = { candidates: [], files: false };
const FILES: Completion = { candidates: [], files: true };

/**
 * What may stand at the cursor, from the same tree of commands that reads the command line.
 *
 * @param words those after the name of the program; the last one is at the cursor, and may be empty. Where the shell
 *   splits words at `=`, as bash does, it stands alone.
 */
export function complete(program: Command, words: readonly string[]): Completion {
  const { before, current, option: assigned } = atCursor(words);
  if (assigned !== undefined) return valuesAfter(program, before, assigned, current);
  const { command, pending, positional, onlyPositional } = walk(program, before);
  if (pending !== undefined) return valuesOf(pending, current);
  if (current.startsWith('-') && !onlyPositional) return options(command, program, current);
  if (command === program) return { candidates: startingWith(current, commandsOf(program)), files: false };
  return argument(command.registeredArguments, positional, current);
}

interface Cursor {
  readonly before: readonly string[];
  readonly current: string;
  /** The cursor is behind its `=`. */
  readonly option: { readonly name: string; readonly prefix: string } | undefined;
}

function atCursor(words: readonly string[]): Cursor {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const long = /^(--[^=]+)=(.*)$/.exec(current);
  if (long !== null) {
    const [, name = '', value = ''] = long;
    return { before, current: value, option: { name, prefix: `${name}=` } };
  }
  // Bash: `--output`, `=`, `js`, or without the last.
  if (current === '=') return split(before, '');
  if (before.at(-1) === '=') return split(before.slice(0, -1), current);
  return { before, current, option: undefined };
}

function split(before: readonly string[], current: string): Cursor {
  const name = before.at(-1) ?? '';
  return { before: before.slice(0, -1), current, option: { name, prefix: '' } };
}

/** Reads the words before the cursor as commander does. */
function walk(
  program: Command,
  words: readonly string[],
): {
  readonly command: Command;
  /** The option whose value is at the cursor. */
  readonly pending: Option | undefined;
  /** How many arguments there are already. */
  readonly positional: number;
  /** After `--`. */
  readonly onlyPositional: boolean;
} {
  let command = program;
  let pending: Option | undefined;
  let positional = 0;
  let onlyPositional = false;
  for (const word of words) {
    if (pending !== undefined) pending = undefined;
    else if (onlyPositional) positional += 1;
    else if (word === '--') onlyPositional = true;
    else if (word.startsWith('-') && word !== '-') {
      const option = optionOf(command, program, word);
      pending = option !== undefined && takesValue(option) && !word.includes('=') ? option : undefined;
    } else {
      const next = command === program ? program.commands.find((one) => one.name() === word) : undefined;
      if (next === undefined) positional += 1;
      else command = next;
    }
  }
  return { command, pending, positional, onlyPositional };
}

function valuesAfter(
  program: Command,
  before: readonly string[],
  { name, prefix }: NonNullable<Cursor['option']>,
  current: string,
): Completion {
  const { command } = walk(program, before);
  const option = optionOf(command, program, name);
  if (option === undefined) return NOTHING;
  const { candidates, files } = valuesOf(option, current);
  return {
    candidates: candidates.map(({ word, ...rest }) => ({ word: `${prefix}${word}`, ...rest })),
    // The shell completes files at the beginning of a word only.
    files: files && prefix === '',
  };
}

function valuesOf({ argChoices, flags }: Option, current: string): Completion {
  if (argChoices !== undefined)
    return { candidates: startingWith(current, choices(argChoices)), files: false };
  return /<file>/.test(flags) ? FILES : NOTHING;
}

function argument(args: readonly Argument[], index: number, current: string): Completion {
  const found = args[index] ?? (args.at(-1)?.variadic === true ? args.at(-1) : undefined);
  if (found === undefined) return NOTHING;
  if (found.argChoices !== undefined) {
    return { candidates: startingWith(current, choices(found.argChoices)), files: false };
  }
  // A single path is one in Vault.
  return found.name() === 'file' || (found.name() === 'path' && found.variadic) ? FILES : NOTHING;
}

function options(command: Command, program: Command, current: string): Completion {
  const all = command === program ? [...program.options] : [...command.options, ...program.options];
  const candidates = all
    .filter(({ hidden, long }) => !hidden && long !== null && long !== undefined && long !== '--version')
    .map(({ long, description }) => ({ word: long ?? '', description }));
  const help = { word: '--help', description: 'show this help' };
  return { candidates: startingWith(current, [...candidates, help]), files: false };
}

function commandsOf(program: Command): Candidate[] {
  return program.commands.map((command) => ({
    word: command.name(),
    description: command.summary() || command.description(),
  }));
}

function optionOf(command: Command, program: Command, word: string): Option | undefined {
  const name = word.split('=', 1)[0] ?? '';
  return [...command.options, ...program.options].find(
    (option) => option.long === name || option.short === name,
  );
}

const takesValue = ({ required, optional }: Option): boolean => required || optional;

function choices(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, description: '' }));
}

function startingWith(current: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(current));
}
