import { sharedAbort } from './shared-abort.js';

/**
 * Whether this process may change anything in Vault or the API server at this moment. With leader
 * election the lease decides; without it the gate stands open. Every request that changes something
 * asks right before it is sent, because a process that was frozen resumes in the middle of its code.
 */
export interface WriteGate {
  /** @throws WriteGateClosedError when another replica may be the leader. */
  assertOpen(): void;
  /** Aborted when requests in flight must be given up; a new one after each reopening. */
  readonly signal: AbortSignal;
}

export class WriteGateClosedError extends Error {
  constructor() {
    super('not the leader: nothing may be written');
    this.name = 'WriteGateClosedError';
  }
}

const never = sharedAbort().signal;

/** The gate of an operator without leader election. */
export const openGate: WriteGate = { assertOpen: () => undefined, signal: never };
