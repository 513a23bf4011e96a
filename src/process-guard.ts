import { printable } from './api/printable.js';
import type { Logger } from './observability/logger.js';

/**
 * Closes the ways by which a running process tells what is in its memory or environment: SIGUSR1 opens
 * no inspector, a process report carries no environment (Node 22.13 and later can leave it out; before,
 * the secrets are taken out of the environment), and an unforeseen error is logged by name only.
 *
 * @param secretVariables names of variables that hold secrets and have been read.
 */
export function guardProcess(secretVariables: readonly string[]): void {
  process.on('SIGUSR1', () => undefined);
  for (const name of secretVariables) Reflect.deleteProperty(process.env, name);
  const report = process.report as (NodeJS.ProcessReport & { excludeEnv?: boolean }) | undefined;
  if (report !== undefined) report.excludeEnv = true;
}

/** Ends the process with 1 on an error that nobody foresaw; messages may hold anything and are not shown. */
export function exitOnUnforeseen(logger: Logger): void {
  const end = (error: unknown): void => {
    const name = error instanceof Error ? error.name : typeof error;
    const frames =
      error instanceof Error
        ? (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
        : [];
    logger.error('unforeseen error, ending', {
      error: name,
      at: frames.slice(0, 5).map((line) => line.trim()),
    });
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

/** Warnings of Node and of libraries become lines of the log instead of text of their own on stderr. */
export function logNodeWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning: Error & { readonly code?: string }) => {
    const { name, code, message } = warning;
    const facts = { warning: name, ...(code === undefined ? {} : { code }), text: printable(message, 300) };
    // A deprecation concerns those who build this program.
    if (name === 'DeprecationWarning') logger.debug('warning of Node', facts);
    else logger.warn('warning of Node', facts);
  });
}
