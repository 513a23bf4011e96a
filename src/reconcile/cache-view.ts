/** Whether what the cache shows may be acted on; the part of the watches that reconciling depends on. */
export interface CacheView {
  /**
   * Where the cache has been behind since the work began, waits until it is fresh again; the work then counts as
   * begun anew.
   *
   * @param isUnchanged whether the cache still shows what the work began with.
   * @returns whether it had to wait.
   * @throws StaleCacheError when it shows something else by now, or is not fresh in time.
   */
  catchUp(isUnchanged: () => Promise<boolean>, signal?: AbortSignal): Promise<boolean>;

  /** Watched namespaces of which this process has never had a complete list. */
  unseen(): readonly string[];
}
