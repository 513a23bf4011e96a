import type { Logger } from '../observability/logger.js';
import type { Problem } from './watch-failure.js';

/**
 * Logs why the watches of one namespace do not work: once for all kinds until the cause changes, and once when they
 * work again.
 */
export class ProblemLog {
  /** From plural to its current message. */
  private readonly open = new Map<string, string>();

  constructor(
    private readonly logger: Logger,
    /** Undefined: all namespaces. */
    private readonly namespace: string | undefined,
  ) {}

  met(plural: string, { message, facts }: Problem): void {
    if (this.open.get(plural) === message) return;
    const isSaid = [...this.open.values()].includes(message);
    this.open.set(plural, message);
    if (!isSaid) this.logger.warn(message, { resource: plural, ...this.where(), ...facts });
  }

  solved(plural: string): void {
    if (!this.open.delete(plural) || this.open.size > 0) return;
    this.logger.info('watch works again', this.where());
  }

  private where(): { readonly namespace?: string } {
    return this.namespace === undefined ? {} : { namespace: this.namespace };
  }
}
