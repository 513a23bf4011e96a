import type { FreshWork } from '../runtime/write-gate.js';

/** Whether what the cache shows may be acted on; the part of the watches that reconciling depends on. */
export interface CacheView {
  /** Call this when work on a resource begins, before the resource is taken from the cache. */
  begin(namespace: string): FreshWork;

  /** Watched namespaces of which this process has never had a complete list. */
  unseen(): readonly string[];
}
