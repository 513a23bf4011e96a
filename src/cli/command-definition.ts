import type { Command } from 'commander';

import type { Console } from './console.js';
import type { PlanSettings } from './planning/plan-scope.js';

/** Parts that only some commands need. */
export interface ServiceParts {
  /** Vault, which is read with the token of the caller. */
  readonly vault?: boolean;
  /** What `plan` needs, Vault included. */
  readonly plan?: PlanSettings;
}

/** What a command has at hand when it runs. */
export interface CommandRun {
  readonly console: Console;
  /**
   * Creates a service, with everything that it needs. Loads the libraries, so call it in an action only.
   *
   * @param token one of `TOKENS`.
   * @param parts what the service needs beyond KMS; it is loaded only then.
   * @throws AuthorError when the environment, or an option of `parts`, is not valid.
   */
  readonly service: <T>(token: symbol, parts?: ServiceParts) => Promise<T>;
  /** The exit code of the program: 0 unless it is set. A command that fails throws instead. */
  readonly exitWith: (code: number) => void;
}

/**
 * Declares a command: arguments, options and help. Nothing heavy is imported for it; the action gets its service from
 * {@link CommandRun}.
 */
export type CommandDefinition = (run: CommandRun) => Command;

/** The text below the options of `--help`: what an author would type. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
