import type { ResourceKey } from '../api/resource-key.js';

/** `edit` overtakes `resync`: a person waits for it. */
export type Priority = 'edit' | 'resync';

/** What the processing of one key asks for. */
export type Outcome =
  /** Forget the key's failures. */
  | { readonly retry: 'none' }
  /** Process it again with backoff, or after `afterMs` when the other side named a time. */
  | { readonly retry: 'soon'; readonly afterMs?: number };

/** Keys that wait to be reconciled. */
export interface WorkQueue {
  /** De-duplicates; a key that is being processed runs once more afterwards. */
  add(key: ResourceKey, priority: Priority): void;
  /** Drops a key and its failures; what is being processed finishes. */
  forget(key: ResourceKey): void;
}

/** Processes one key; driven by the state of the cluster and of Vault, not by the event. Must not throw. */
export type Processor = (key: ResourceKey, priority: Priority) => Promise<Outcome>;
