import type { NormalEventReason, WarningEventReason } from '../api/reasons.js';
import type { Resource } from '../api/resources.js';

/**
 * Writes events. Repeats are counted on the existing event. Recording never blocks or fails a reconcile: events
 * that the API server refuses are logged once.
 */
export interface EventRecorder {
  normal(resource: Resource, reason: NormalEventReason, message: string): void;
  warning(resource: Resource, reason: WarningEventReason, message: string): void;
  /** Resolves when all recorded events are sent, or when `signal` aborts. */
  drain(signal?: AbortSignal): Promise<void>;
}
