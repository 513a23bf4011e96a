import type { NormalEventReason, WarningEventReason } from '../api/reasons.js';
import type { Resource } from '../api/resources.js';

/**
 * Writes events. Repeats are counted on the existing event. Recording never blocks or fails a
 * reconcile: what the API server refuses is logged once.
 */
export interface EventRecorder {
  normal(resource: Resource, reason: NormalEventReason, message: string): void;
  warning(resource: Resource, reason: WarningEventReason, message: string): void;
  /** Resolves when everything recorded so far was sent, or `signal` aborts. */
  drain(signal?: AbortSignal): Promise<void>;
}
