import type { Logger } from '../observability/logger.js';
import { LogOnce } from '../runtime/log-once.js';
import type { Problem } from './watch-failure.js';

/**
 * Logs why the watches of one namespace do not work: once for all kinds until the cause changes, and once when they
 * work again.
 */
export class ProblemLog {
  /** By plural. */
  private readonly said = new LogOnce();

  constructor(
    private readonly logger: Logger,
    /** Undefined: all namespaces. */
    private readonly namespace: string | undefined,
  ) {}

  met(plural: string, { message, facts }: Problem): void {
    const isSaidOfAnother = this.said.has(message);
    if (this.said.isNew(plural, message) && !isSaidOfAnother)
      this.logger.warn(message, { resource: plural, ...this.where(), ...facts });
  }

  solved(plural: string): void {
    if (this.said.clear(plural) && this.said.isEmpty) this.logger.info('watch works again', this.where());
  }

  private where(): { readonly namespace?: string } {
    return this.namespace === undefined ? {} : { namespace: this.namespace };
  }
}
