import type { Facts, Logger } from '../observability/logger.js';
import type { Console } from './console.js';

/** Shows what the shared services log: warnings and errors. The rest is for those who run a program for months. */
export class ConsoleLogger implements Logger {
  constructor(
    private readonly console: Console,
    private readonly facts: Facts = {},
  ) {}

  debug(): void {
    // Of no use to an author.
  }

  info(): void {
    // Of no use to an author.
  }

  warn(message: string, facts: Facts = {}): void {
    this.console.warn(this.lineOf(message, facts));
  }

  error(message: string, facts: Facts = {}): void {
    this.console.error(this.lineOf(message, facts));
  }

  child(facts: Facts): Logger {
    return new ConsoleLogger(this.console, { ...this.facts, ...facts });
  }

  private lineOf(message: string, facts: Facts): string {
    const shown = Object.entries({ ...this.facts, ...facts }).map(
      ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
    return shown.length === 0 ? message : `${message} (${shown.join(', ')})`;
  }
}
