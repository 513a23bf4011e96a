import type { ResourceKey } from '../api/resource-key.js';
import type { Outcome } from './outcome.js';

/** `edit` overtakes `resync`: a person waits for it. */
export type Priority = 'edit' | 'resync';

/** Takes keys that are to be reconciled. */
export interface Requeue {
  /** De-duplicates; a key that is being processed runs once more afterwards. */
  add(key: ResourceKey, priority: Priority): void;
}

/** Keys that wait to be reconciled. */
export interface WorkQueue extends Requeue {
  /** Drops a key and its failures; what is being processed finishes. */
  forget(key: ResourceKey): void;
}

/** Processes one key; driven by the state of the cluster and of Vault, not by the event. Must not throw. */
export type Processor = (key: ResourceKey, priority: Priority) => Promise<Outcome>;
