import { inject, injectable } from 'tsyringe';

import { listNames, printable } from '../api/printable.js';
import { type NormalEventReason, type WarningEventReason, warningOf } from '../api/reasons.js';
import { CONTEXT_NOT_ALLOWED } from '../api/required-context.js';
import type { KMSVaultSecret, Resource } from '../api/resources.js';
import type { EventRecorder } from '../kube/event-recorder.js';
import type { Finding } from '../queue/outcome.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { KeyFailure } from './key-failure.js';
import { qualifiedName } from './path-ownership.js';

/** A warning that is still true is repeated after this time: the API server drops events after an hour. */
const REPEAT_AFTER_MS = 30 * 60 * 1000;
const KEY_EVENTS = 50;

export interface Warning {
  readonly reason: WarningEventReason;
  readonly message: string;
}

/**
 * Records events on resources. A warning is repeated only when it changes or after some time, so that a resync of
 * a resource with the same problem costs no event.
 */
@injectable()
export class Announcer {
  /** From uid to its current warnings: reason and message, and when each was last recorded (monotonic milliseconds). */
  private readonly standing = new Map<string, ReadonlyMap<string, number>>();
  /** From uid to the event that announced its present state. */
  private readonly begun = new Map<string, NormalEventReason>();

  constructor(
    @inject(TOKENS.events) private readonly events: EventRecorder,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  normal(resource: Resource, reason: NormalEventReason, message: string): void {
    this.events.normal(resource, reason, message);
  }

  /** Records the beginning of a state that {@link ends} ends; once, however often it is called. */
  begins(resource: Resource, reason: NormalEventReason, message: string): void {
    const { uid } = resource.metadata;
    if (this.begun.get(uid) === reason) return;
    this.begun.set(uid, reason);
    this.events.normal(resource, reason, message);
  }

  /** @returns whether a state that this process has announced ends. */
  ends(uid: string): boolean {
    return this.begun.delete(uid);
  }

  /** Records a warning about something that happened, not about a state. */
  once(resource: Resource, reason: WarningEventReason, message: string): void {
    this.events.warning(resource, reason, message);
  }

  /** Records all current warnings of the resource; replaces the previous ones. */
  warnings(resource: Resource, warnings: readonly Warning[]): void {
    const { uid } = resource.metadata;
    const now = this.clock.monotonicMs();
    const before = this.standing.get(uid);
    const standing = new Map<string, number>();
    for (const { reason, message } of warnings) {
      const id = `${reason}\n${message}`;
      const saidAt = before?.get(id);
      const due = saidAt === undefined || now - saidAt >= REPEAT_AFTER_MS;
      if (due && !standing.has(id)) this.events.warning(resource, reason, message);
      standing.set(id, due ? now : saidAt);
    }
    if (standing.size > 0) this.standing.set(uid, standing);
    else this.standing.delete(uid);
  }

  forget(uid: string): void {
    this.standing.delete(uid);
    this.begun.delete(uid);
  }
}

/** The warnings for findings, with one warning per failed key. */
export function warningsOf(findings: readonly Finding[], failures: readonly KeyFailure[]): Warning[] {
  const warnings: Warning[] = [];
  for (const { reason, message } of findings) {
    const event = warningOf(reason);
    if (event !== undefined) warnings.push({ reason: event, message });
  }
  // One event reports all keys whose context is not allowed.
  const failed = failures.filter(({ code }) => code !== CONTEXT_NOT_ALLOWED);
  for (const { key, code, message } of failed.slice(0, KEY_EVENTS)) {
    const [reason, verb] =
      code === 'NotBase64'
        ? (['DecodingError', 'decoding'] as const)
        : (['DecryptingError', 'decrypting'] as const);
    warnings.push({ reason, message: `Error ${verb} key ${printable(key)}: ${message}` });
  }
  return warnings;
}

/** The warning on the owner of a path that other resources have as well. */
export function conflictWarnings(path: string, rivals: readonly KMSVaultSecret[]): Warning[] {
  if (rivals.length === 0) return [];
  const names = listNames(rivals.map(qualifiedName));
  const message = `only this resource, the oldest one, is written to ${path}; also there: ${names}`;
  return [{ reason: 'PathConflict', message }];
}
