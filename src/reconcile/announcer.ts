import { inject, injectable } from 'tsyringe';

import { printable } from '../api/printable.js';
import { type NormalEventReason, type WarningEventReason, warningOf } from '../api/reasons.js';
import type { Resource } from '../api/resources.js';
import type { EventRecorder } from '../kube/event-recorder.js';
import type { Finding } from '../queue/outcome.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { KeyFailure } from './key-failure.js';

/** A warning that still stands is said again after this long: the API server drops events after an hour. */
const REPEAT_AFTER_MS = 30 * 60 * 1000;
const KEY_EVENTS = 50;

export interface Warning {
  readonly reason: WarningEventReason;
  readonly message: string;
}

/**
 * Says things on resources. Warnings stand until they change or their time is over, so that a resync of
 * a resource that is wrong as before costs no event.
 */
@injectable()
export class Announcer {
  /** uid to what stands: reason and message, and when it was last said (monotonic milliseconds). */
  private readonly standing = new Map<string, ReadonlyMap<string, number>>();

  constructor(
    @inject(TOKENS.events) private readonly events: EventRecorder,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  normal(resource: Resource, reason: NormalEventReason, message: string): void {
    this.events.normal(resource, reason, message);
  }

  /** A warning about something that happened, not about a state. */
  once(resource: Resource, reason: WarningEventReason, message: string): void {
    this.events.warning(resource, reason, message);
  }

  /** Everything that is wrong with the resource now; replaces what stood before. */
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
  }
}

/** The warnings of findings; failed keys are named one by one. */
export function warningsOf(findings: readonly Finding[], failures: readonly KeyFailure[]): Warning[] {
  const warnings: Warning[] = [];
  for (const { reason, message } of findings) {
    const event = warningOf(reason);
    if (event !== undefined) warnings.push({ reason: event, message });
  }
  for (const { key, code, message } of failures.slice(0, KEY_EVENTS)) {
    const [reason, verb] =
      code === 'NotBase64'
        ? (['DecodingError', 'decoding'] as const)
        : (['DecryptingError', 'decrypting'] as const);
    warnings.push({ reason, message: `Error ${verb} key ${printable(key)}: ${message}` });
  }
  return warnings;
}
