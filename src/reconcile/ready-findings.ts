import type { OperatorError } from '../api/errors.js';
import { listNames, printable } from '../api/printable.js';
import { isReady, type Progress, READY_REASONS, type ReadyReason, REASONS } from '../api/reasons.js';
import { CONTEXT_NOT_ALLOWED } from '../api/required-context.js';
import type { Finding, Outcome } from '../queue/outcome.js';
import type { KeyFailure } from './key-failure.js';
import type { Aggregate, KeyConflict } from './secret-aggregator.js';

/** The API server's limit for the message of a condition (meta/v1.Condition). */
const MESSAGE_LIMIT = 32_768;
const KEYS_IN_MESSAGE = 5;
/** Each has its own sentence and its own event. */
const MAX_INVALID_INCLUDES = 10;

/** Sorted by importance: the first becomes the reason of the condition. */
function byImportance(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort((a, b) => READY_REASONS.indexOf(a.reason) - READY_REASONS.indexOf(b.reason));
}

/** The reason of the `Ready` condition. */
export function mainReason(findings: readonly Finding[]): ReadyReason {
  return byImportance(findings)[0]?.reason ?? 'Synced';
}

/**
 * The findings that decide the condition of kstatus, the most important first. What only a person can change is
 * reported even if something that may pass is more important for `Ready`: the resource does not become ready without
 * that person.
 *
 * @returns undefined when neither condition applies.
 */
export function progressOf(
  findings: readonly Finding[],
): { readonly type: Exclude<Progress, 'none'>; readonly findings: readonly Finding[] } | undefined {
  for (const type of ['Stalled', 'Reconciling'] as const) {
    const deciding = byImportance(findings).filter(
      ({ reason, progress = REASONS[reason].progress }) => progress === type,
    );
    if (deciding.length > 0) return { type, findings: deciding };
  }
  return undefined;
}

/** For a reconcile that is not retried before the next resync. */
export function outcomeOf(findings: readonly Finding[]): Outcome {
  return { result: isReady(mainReason(findings)) ? 'synced' : 'blocked', findings };
}

/** The message of the condition, with the most important finding first. */
export function joinMessages(findings: readonly Finding[]): string {
  return byImportance(findings)
    .map((finding) => finding.message)
    .join('; also: ')
    .slice(0, MESSAGE_LIMIT);
}

/** An error that is tried again soon is not one that waits for somebody, whatever its reason usually means. */
export function findingOf({ reason, message, retry }: OperatorError): Finding {
  return { reason, message, ...(retry === 'soon' ? { progress: 'Reconciling' } : {}) };
}

/** All problems of the inputs of a secret. */
export function findingsOf(aggregate: Aggregate, failures: readonly KeyFailure[]): Finding[] {
  return [
    ...includeFindings(aggregate),
    ...decryptionFindings(failures),
    ...conflictFindings(aggregate.conflicts, aggregate.conflictsTotal),
  ];
}

function includeFindings(aggregate: Aggregate): Finding[] {
  const missing = aggregate.unusableIncludes.filter((include) => include.why === 'missing');
  const findings: Finding[] = [];
  if (missing.length > 0) {
    const names = listNames(missing.map((include) => include.name));
    findings.push({
      reason: 'IncludeNotFound',
      message: `PartialKMSVaultSecret ${names} not found in this namespace; keys already in Vault are kept`,
    });
  }
  const invalid = aggregate.unusableIncludes.filter((include) => include.why === 'invalid');
  for (const { name, detail } of invalid.slice(0, MAX_INVALID_INCLUDES)) {
    findings.push({
      reason: 'IncludeNotFound',
      message: `PartialKMSVaultSecret ${printable(name)} cannot be used: ${detail ?? ''}`,
    });
  }
  const rest = invalid.slice(MAX_INVALID_INCLUDES).map(({ name }) => name);
  if (rest.length > 0) {
    findings.push({
      reason: 'IncludeNotFound',
      message: `PartialKMSVaultSecret ${listNames(rest)} cannot be used either`,
    });
  }
  return findings;
}

function conflictFindings(conflicts: readonly KeyConflict[], total: number): Finding[] {
  if (conflicts.length === 0) return [];
  const texts = conflicts
    .slice(0, KEYS_IN_MESSAGE)
    .map(
      ({ key, winner, loser }) =>
        `key ${printable(key)}: ${sourceName(winner)} takes precedence over ${sourceName(loser)}`,
    );
  return [{ reason: 'KeyConflict', message: withRest(texts, total) }];
}

function decryptionFindings(failures: readonly KeyFailure[]): Finding[] {
  const refused = failures.filter(({ code }) => code === CONTEXT_NOT_ALLOWED);
  const failed = failures.filter(({ code }) => code !== CONTEXT_NOT_ALLOWED);
  return [
    ...(refused.length === 0
      ? []
      : [{ reason: CONTEXT_NOT_ALLOWED, message: keyMessages(refused) } as const]),
    ...(failed.length === 0
      ? []
      : [
          {
            reason: 'DecryptionFailed',
            message: keyMessages(failed),
            ...stalledIf(failed.some(({ isFinal }) => isFinal)),
          } as const,
        ]),
  ];
}

function keyMessages(failures: readonly Pick<KeyFailure, 'key' | 'message'>[]): string {
  const texts = failures
    .slice(0, KEYS_IN_MESSAGE)
    .map(({ key, message }) => `key ${printable(key)}: ${message}`);
  return withRest(texts, failures.length);
}

/** One key that KMS will always refuse is enough: whatever an administrator does, it needs its author. */
function stalledIf(isStalled: boolean): Pick<Finding, 'progress'> {
  return isStalled ? { progress: 'Stalled' } : {};
}

/** What the mode `audit` reports without refusing anything; undefined when there is nothing. */
export function auditMessage(problems: ReadonlyMap<string, string>): string | undefined {
  if (problems.size === 0) return undefined;
  const found = [...problems].map(([key, message]) => ({ key, message }));
  return `${keyMessages(found)}; synced all the same, because --required-context-mode is audit`;
}

function withRest(texts: readonly string[], total: number): string {
  const rest = total - texts.length;
  return texts.join('; ') + (rest > 0 ? `; and ${String(rest)} more keys` : '');
}

function sourceName(partial: string | undefined): string {
  return partial === undefined ? "the resource's own item" : `partial ${printable(partial)}`;
}
