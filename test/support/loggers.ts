import type { Facts, Logger } from '../../src/observability/logger.js';

export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly facts: Facts;
}

/** Keeps what is logged, for tests that read it. */
export class RecordingLogger implements Logger {
  constructor(
    readonly entries: LogEntry[] = [],
    private readonly bound: Facts = {},
  ) {}

  debug(message: string, facts: Facts = {}): void {
    this.entries.push({ level: 'debug', message, facts: { ...this.bound, ...facts } });
  }

  info(message: string, facts: Facts = {}): void {
    this.entries.push({ level: 'info', message, facts: { ...this.bound, ...facts } });
  }

  warn(message: string, facts: Facts = {}): void {
    this.entries.push({ level: 'warn', message, facts: { ...this.bound, ...facts } });
  }

  error(message: string, facts: Facts = {}): void {
    this.entries.push({ level: 'error', message, facts: { ...this.bound, ...facts } });
  }

  child(facts: Facts): Logger {
    return new RecordingLogger(this.entries, { ...this.bound, ...facts });
  }
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
