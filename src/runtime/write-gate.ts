import { sharedAbort } from './abort.js';

/**
 * Whether this process may change anything in Vault or the API server now. With leader election the lease decides.
 * Every request that changes something checks the gate right before it is sent, because a process that was frozen
 * resumes in the middle of its code.
 */
export interface WriteGate {
  /** @throws WriteGateClosedError when another replica may be the leader. */
  assertOpen(): void;
  /** Aborted when requests in flight must be aborted; a new one after each reopening. */
  readonly signal: AbortSignal;
}

export class WriteGateClosedError extends Error {
  constructor(message = 'this replica is not the leader: writes are not allowed') {
    super(message);
    this.name = 'WriteGateClosedError';
  }
}

/** The cache may be stale: the work is repeated after a fresh list. */
export class StaleCacheError extends Error {
  constructor() {
    super('the cache may be stale: writes are not allowed');
    this.name = 'StaleCacheError';
  }
}

/** Work on a resource, which may write only if the cache of its namespace was fresh all the time since it began. */
export interface FreshWork {
  /**
   * Called right before each attempt of a write to Vault.
   *
   * @throws StaleCacheError
   */
  assertFresh(): void;

  /**
   * If the cache has fallen behind since the work began, waits until it is fresh again; the work then counts as
   * started again.
   *
   * @param isUnchanged whether the cache still shows what the work began with.
   * @returns whether it had to wait.
   * @throws StaleCacheError when it shows something else afterwards, or is not fresh in time.
   */
  catchUp(isUnchanged: () => Promise<boolean>, signal?: AbortSignal): Promise<boolean>;
}

const never = sharedAbort().signal;

/** The gate of an operator without leader election. */
export const openGate: WriteGate = { assertOpen: () => undefined, signal: never };

/** The gate of a program that only reads: it never opens, and aborts nothing. */
export const readOnlyGate: WriteGate = {
  assertOpen: () => {
    throw new WriteGateClosedError('this program only reads: writes are not allowed');
  },
  signal: never,
};
