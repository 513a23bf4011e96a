import { inject, injectable } from 'tsyringe';

import { listNames, printable } from '../api/printable.js';
import { CONTEXT_NOT_ALLOWED, type RequiredContext } from '../api/required-context.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { TOKENS } from '../tokens.js';
import type { Warning } from './announcer.js';
import { auditMessage } from './ready-findings.js';
import { digestOf } from './refused-inputs.js';
import type { Aggregate } from './secret-aggregator.js';

interface Noted {
  readonly inputsHash: string;
  readonly digests: ReadonlySet<string>;
}

/**
 * Counts ciphertexts whose encryption context is not allowed: once when this process first sees them at a resource, not
 * at every resync.
 */
@injectable()
export class ContextViolations {
  private readonly byUid = new Map<string, Noted>();

  constructor(
    @inject(TOKENS.requiredContext) private readonly required: RequiredContext,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'contextViolations'>,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  note({ metadata }: KMSVaultSecret, aggregate: Aggregate, inputsHash: string): void {
    const { uid, namespace, name } = metadata;
    const before = this.byUid.get(uid);
    if (before?.inputsHash === inputsHash) return;
    const { contextProblems, keys } = aggregate;
    if (contextProblems.size === 0) {
      this.byUid.delete(uid);
      return;
    }
    const digests = new Set<string>();
    const seen: string[] = [];
    for (const key of contextProblems.keys()) {
      const resolved = keys.get(key);
      if (resolved === undefined) continue;
      const digest = digestOf(resolved);
      digests.add(digest);
      if (before?.digests.has(digest) !== true) seen.push(key);
    }
    this.byUid.set(uid, { inputsHash, digests });
    if (seen.length === 0) return;
    const { mode } = this.required;
    this.metrics.contextViolations.inc({ mode }, seen.length);
    this.logger.info('ciphertexts without the required encryption context', {
      namespace,
      name: printable(name),
      mode,
      keys: listNames(seen),
    });
  }

  /** The event of the mode `audit`; in the mode `enforce` the reason of the resource has one. */
  warnings({ contextProblems }: Aggregate): Warning[] {
    const message = this.required.mode === 'audit' ? auditMessage(contextProblems) : undefined;
    return message === undefined ? [] : [{ reason: CONTEXT_NOT_ALLOWED, message }];
  }

  forget(uid: string): void {
    this.byUid.delete(uid);
  }
}
