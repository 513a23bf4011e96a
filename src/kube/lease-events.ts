import { randomBytes } from 'node:crypto';

import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import { onAbort, sharedAbort } from '../runtime/abort.js';
import { LogOnce } from '../runtime/log-once.js';
import { eventBody } from './event-body.js';
import { eventMessage, eventName } from './event-text.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { LEASE_API_VERSION } from './lease-client.js';
import type { LeaseObject } from './lease-record.js';

const TIMEOUT_MS = 5_000;

export interface LeaseEventsOptions {
  /** Its write gate is always open: a former leader reports the end of its term. */
  readonly client: Pick<KubeClient, 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hostname: string;
}

/**
 * Events on the lease, as client-go's leader election writes them: reason `LeaderElection`, one per change. Each
 * is tried once, because the lease itself shows the leader.
 */
export class LeaseEvents {
  private readonly pending = new Set<Promise<void>>();
  private readonly givenUp = sharedAbort();
  private readonly said = new LogOnce();

  constructor(private readonly options: LeaseEventsOptions) {}

  /** Sends in the background; never throws. */
  record(lease: LeaseObject, message: string): void {
    const sending = this.send(lease, message).finally(() => this.pending.delete(sending));
    this.pending.add(sending);
  }

  /** Resolves when all recorded events were sent or dropped; `signal` drops the rest. */
  async drain(signal?: AbortSignal): Promise<void> {
    const stopListening = onAbort(signal, () => {
      this.givenUp.abort();
    });
    await Promise.all(this.pending);
    stopListening();
  }

  private async send({ metadata }: LeaseObject, message: string): Promise<void> {
    const { client, clock, hostname, logger } = this.options;
    const now = clock.now();
    const body = eventBody({
      name: eventName(metadata.name, randomBytes(8).toString('hex')),
      subject: { apiVersion: LEASE_API_VERSION, kind: 'Lease', metadata },
      type: 'Normal',
      reason: 'LeaderElection',
      message: eventMessage(message),
      count: 1,
      first: now,
      last: now,
      instance: hostname,
    });
    const path = `/api/v1/namespaces/${encodeURIComponent(metadata.namespace)}/events`;
    try {
      await client.request('POST', path, { body, timeoutMs: TIMEOUT_MS, signal: this.givenUp.signal });
    } catch (error) {
      if (!this.said.isNew('refused')) return;
      logger.warn('cannot write events on the lease', {
        detail: error instanceof KubeError ? error.message : 'unexpected failure',
      });
    }
  }
}
