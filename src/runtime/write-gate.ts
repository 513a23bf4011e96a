import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import { sharedAbort } from './abort.js';

/**
 * Whether this process may change anything in Vault or the API server now. With leader election the lease decides; for
 * Vault, the freshness of the cache as well. Every request that changes something checks the gate right before it is
 * sent, because a process that was frozen resumes in the middle of its code.
 */
export interface WriteGate {
  /**
   * @throws WriteGateClosedError when another replica may be the leader; StaleCacheError when the work
   *   that asks may have begun with old resources.
   */
  assertOpen(): void;
  /** Aborted when requests in flight must be aborted; a new one after each reopening. */
  readonly signal: AbortSignal;
}

export class WriteGateClosedError extends Error {
  constructor() {
    super('not the leader: nothing may be written');
    this.name = 'WriteGateClosedError';
  }
}

/** The cache may be stale: the work is repeated after a fresh list. */
export class StaleCacheError extends Error {
  constructor() {
    super('the cache may be behind the API server: nothing may be written from it');
    this.name = 'StaleCacheError';
  }
}

const never = sharedAbort().signal;

/** The gate of an operator without leader election. */
export const openGate: WriteGate = { assertOpen: () => undefined, signal: never };

/** Open while both are open; only `first` aborts requests in flight. */
@injectable()
export class BothGates implements WriteGate {
  constructor(
    @inject(TOKENS.gate) private readonly first: WriteGate,
    @inject(TOKENS.freshness) private readonly second: Pick<WriteGate, 'assertOpen'>,
  ) {}

  assertOpen(): void {
    this.first.assertOpen();
    this.second.assertOpen();
  }

  get signal(): AbortSignal {
    return this.first.signal;
  }
}
