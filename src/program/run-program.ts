import { buildInfo } from '../build-info.js';
import type { CommandLine, Environment, VariableSpec } from '../config/config.js';
import { faultText } from '../config/flags.js';
import { secretsOfOtherPrograms, secretVariables } from '../config/secret-variables.js';
import { correctLibraryVariables } from '../config/stray-characters.js';
import type { OnEndSignal } from '../early-signals.js';
import type { Logger } from '../observability/logger.js';
import { mayRunCredentialProcess } from '../runtime/credential-process.js';
import { StartupError } from '../runtime/startup-error.js';
import { limitHeapGrowth } from './heap-growth.js';
import { exitOnUnforeseen, guardProcess, logNodeWarnings } from './process-guard.js';

export type RemovedSecrets = ReturnType<typeof secretsOfOtherPrograms>;

/** What starts and stops one of the two programs. */
export interface Program {
  /** @throws StartupError */
  start(): Promise<void>;
  /** @returns the exit code. */
  stop(): Promise<number>;
}

export interface ProgramOptions<C> {
  readonly name: string;
  /** @param argv without the interpreter and the script. */
  readonly parse: (argv: readonly string[], environment: Environment) => CommandLine<C>;
  /** The variables of the auth methods; those that hold secrets are removed from the environment. */
  readonly variables?: readonly VariableSpec[];
  readonly onEndSignal: OnEndSignal;
  /**
   * Called once, when the environment has no secrets any more.
   *
   * @param removed the secrets that were in it and that a child process may need.
   * @throws StartupError
   */
  readonly create: (
    config: C,
    removed: RemovedSecrets,
  ) => { readonly program: Program; readonly logger: Logger };
}

/** Prints what the command line asks for, or runs the program until a signal ends it. */
export async function runProgram<C>(options: ProgramOptions<C>): Promise<void> {
  const command = options.parse(process.argv.slice(2), process.env);
  correctLibraryVariables(process.env);
  if (command.action === 'print') {
    (command.exitCode === 0 ? process.stdout : process.stderr).write(command.text);
    process.exitCode = command.exitCode;
    return;
  }
  try {
    await start(command.config, options);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(faultText(options.name, [error.message]));
    process.exit(1);
  }
}

async function start<C>(
  config: C,
  { variables = [], onEndSignal, create }: ProgramOptions<C>,
): Promise<void> {
  limitHeapGrowth();
  const removed = secretsOfOtherPrograms(process.env);
  const keepProxies = mayRunCredentialProcess(process.env);
  guardProcess(secretVariables(process.env, variables, { keepProxies }));
  const { program, logger } = create(config, removed);
  exitOnUnforeseen(logger);
  logNodeWarnings(logger);
  onEndSignal(() => program.stop());
  logger.info('starting', { version: buildInfo.version, commit: buildInfo.commit, node: process.version });
  await program.start();
}
