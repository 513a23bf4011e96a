import { printable } from '../api/printable.js';
import type { Logger } from '../observability/logger.js';
import { traceOf } from '../runtime/error-name.js';

/**
 * Prevents a running process from exposing its memory or environment: SIGUSR1 opens no inspector, a process report
 * contains no environment (Node 22.13 and later can omit it; for earlier versions the secrets are removed from the
 * environment), an unexpected error is logged by name only, and no buffer holds what freed memory held.
 *
 * @param secretVariables names of variables that hold secrets and have been read.
 */
export function guardProcess(secretVariables: readonly string[]): void {
  process.on('SIGUSR1', () => undefined);
  // Node does not fill these buffers with zeros, nor the pool that small ones come from. Freed memory, such as that of
  // an answer of KMS or Vault, would stay readable in them: the AWS SDK keeps one for its next request.
  Buffer.poolSize = 0;
  const allocate = (size: number): Buffer<ArrayBuffer> => Buffer.alloc(size);
  Object.assign(Buffer, { allocUnsafe: allocate, allocUnsafeSlow: allocate });
  for (const name of secretVariables) Reflect.deleteProperty(process.env, name);
  const report = process.report as (NodeJS.ProcessReport & { excludeEnv?: boolean }) | undefined;
  if (report !== undefined) report.excludeEnv = true;
}

/** Ends the process with exit code 1 on an unexpected error; its message may hold anything and is not logged. */
export function exitOnUnforeseen(logger: Logger): void {
  const end = (error: unknown): void => {
    const { name, frames } = traceOf(error);
    logger.error('unexpected error; exiting', { error: name, at: frames });
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

/** Logs warnings of Node and of libraries instead of printing them to stderr. */
export function logNodeWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning: Error & { readonly code?: string }) => {
    const { name, code, message } = warning;
    const facts = { warning: name, ...(code === undefined ? {} : { code }), text: printable(message, 300) };
    // Deprecations concern developers, not users.
    if (name === 'DeprecationWarning') logger.debug('Node.js warning', facts);
    else logger.warn('Node.js warning', facts);
  });
}
