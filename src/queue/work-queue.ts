import type { ResourceKey } from '../api/resource-key.js';
import type { Outcome } from './outcome.js';

/** `edit` overtakes `resync`: somebody waits for it. */
export type Priority = 'edit' | 'resync';

/** Accepts keys to reconcile. */
export interface Requeue {
  /** Deduplicates; a key that is being processed runs once more afterwards. */
  add(key: ResourceKey, priority: Priority): void;
}

/** Lets edits overtake work that is in process already. */
export interface RightOfWay {
  /** Resync work calls this between its steps: it waits while an edit is in process, but only for a moment. */
  giveWay(priority: Priority): Promise<void>;
}

/** Keys in the queue. */
export interface WorkQueue extends Requeue {
  /** Drops a key and its failure count; processing in progress finishes. */
  forget(key: ResourceKey): void;
}

/** Processes one key, based on the state of the cluster and of Vault, not on an event. Must not throw. */
export type Processor = (key: ResourceKey, priority: Priority) => Promise<Outcome>;
