import type { Command } from 'commander';

import { complete } from './candidates.js';

/**
 * The name of the command that completes, and its output, are those of cobra, because kubectl runs
 * `kubectl_complete-kms_vault` for a plugin and reads that (kubectl documentation, "Extend kubectl with plugins";
 * cobra's completions.go): one candidate a line, its description behind a tab, and `:` with a number at the end.
 */
export const COMPLETE = '__complete';

/** `ShellCompDirectiveDefault`: the shell may complete files. */
const WITH_FILES = ':0';
/** `ShellCompDirectiveNoFileComp`. */
const WITHOUT_FILES = ':4';

/** @param words as {@link complete} takes them. */
export function completionLines(program: Command, words: readonly string[]): string[] {
  const { candidates, files } = complete(program, words);
  return [
    ...candidates.map(({ word, description }) => (description === '' ? word : `${word}\t${description}`)),
    files ? WITH_FILES : WITHOUT_FILES,
  ];
}
