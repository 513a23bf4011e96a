import { inject, injectable } from 'tsyringe';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { onAbort } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { SingleFlight } from '../runtime/single-flight.js';
import { TOKENS } from '../tokens.js';
import { readCiphertext } from './ciphertext.js';
import type { DecryptRequest, Decryptor } from './decryptor.js';
import { FairQueue, type Urgency } from './fair-queue.js';
import type { KmsApi } from './kms-client.js';
import { KmsError } from './kms-error.js';
import { readPlaintext } from './plaintext.js';
import { RequestPacer } from './request-pacer.js';

/** The owner of requests without one. */
const NOBODY = '';
/** Total attempts after a lost connection or a momentary failure of KMS. */
const MAX_TRIES = 3;
const RETRY_BASE_MS = 100;
const RETRY_CAP_MS = 1_000;
/** After only throttled answers for this long, waiting requests fail. */
const MAX_STALL_MS = 60_000;

/** A decryption that waits for its turn, or for the answer of KMS. */
interface Pending {
  readonly id: string;
  readonly owner: string;
  urgency: Urgency;
  readonly ciphertext: Uint8Array;
  readonly context: DecryptRequest['context'];
  readonly since: number;
  /** Aborts when no caller waits any more. */
  readonly giveUp: AbortSignal;
  readonly ignoreGiveUp: () => void;
  readonly resolve: (plaintext: string) => void;
  readonly reject: (error: unknown) => void;
  /** Ends the pause before the next attempt. */
  cancelPause?: () => void;
  /** The last throttled answer, which makes the request wait. */
  throttled?: KmsError;
  tries: number;
}

/** What resync work may use of the concurrency while an edit is in process: both share one thread. */
const RESYNC_SHARE = 1 / 4;

/** Has slots for work, some of which only waits for a quota. */
export interface WorkerLender {
  /** Whether an edit is in process. */
  readonly isEditing: boolean;
  /** @param owners the number of owners that wait now. */
  lend(owners: number): void;
}

/**
 * Decrypts through KMS with limited concurrency, no faster than KMS serves requests, and with one request for all
 * callers that want the same. Owners take turns, edits come first. A throttled request waits and is sent again; it fails
 * only when KMS serves no request for a minute, or its caller cancels it. Plaintext buffers are zeroed after decoding;
 * nothing is cached.
 */
@injectable()
export class KmsDecryptor implements Decryptor {
  private readonly queue = new FairQueue<Pending>();
  private readonly pacer: RequestPacer;
  private readonly flights = new SingleFlight<string>();
  /** By what the callers want decrypted. */
  private readonly pending = new Map<string, Pending>();
  /** The budget for further attempts; served requests refill it, so that an outage is detected early. */
  private spareTries: number;
  private inFlight = 0;
  private resyncsInFlight = 0;
  private lastServedAt: number;
  private cancelTimer: (() => void) | undefined;
  private toldWaiting = 0;

  constructor(
    @inject(TOKENS.kmsApi) private readonly kms: KmsApi,
    @inject(TOKENS.maxConcurrentKmsRequests) private readonly maxConcurrentRequests: number,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided' | 'kmsThrottled'>,
    /** When the shutdown starts, requests that wait for a quota are cancelled. */
    @inject(TOKENS.lifecycle, { isOptional: true }) private readonly lifecycle?: Pick<Lifecycle, 'stopping'>,
    /** Notified how many owners wait for a KMS quota; absent in the webhook. */
    @inject(TOKENS.queue, { isOptional: true }) private readonly lender?: WorkerLender,
  ) {
    this.pacer = new RequestPacer(clock);
    this.spareTries = this.maxSpareTries;
    this.lastServedAt = clock.monotonicMs();
    onAbort(lifecycle?.stopping, () => {
      this.pump();
    });
  }

  async decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string> {
    const ciphertext = readCiphertext(request.encryptedSecret);
    const id = identity(request, ciphertext);
    const joined = this.pending.get(id);
    if (joined !== undefined && signal?.aborted !== true) {
      this.metrics.kmsRequestsAvoided.inc({ why: 'coalesced' });
      if (request.urgency === 'edit') this.queue.raise(joined);
    }
    return await this.flights.run(id, (giveUp) => this.begin(id, request, ciphertext, giveUp), {
      signal,
      reason: () => abandoned(this.pending.get(id)?.throttled),
    });
  }

  private begin(
    id: string,
    { context, owner = NOBODY, urgency = 'resync' }: DecryptRequest,
    ciphertext: Uint8Array,
    giveUp: AbortSignal,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        id,
        ignoreGiveUp: onAbort(giveUp, () => {
          this.drop(pending);
        }),
        owner,
        urgency,
        ciphertext,
        context,
        since: this.clock.monotonicMs(),
        giveUp,
        resolve,
        reject,
        tries: 0,
      };
      this.pending.set(id, pending);
      this.queue.add(pending);
      // After all callers of this moment are queued, so that they take turns from the first request on.
      queueMicrotask(() => {
        this.pump();
      });
    });
  }

  /** Sends what may be sent now, and sets a timer for the rest. */
  private pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.lifecycle?.stopping.aborted === true && this.pacer.limiting) {
      for (const pending of this.queue.removeAll(() => true)) this.fail(pending, abandoned());
    }
    while (this.inFlight < this.maxConcurrentRequests && this.queue.has(this.eligible)) {
      const delayMs = this.pacer.delayMs();
      if (delayMs > 0) {
        this.cancelTimer = this.clock.setTimer(delayMs, () => {
          this.pump();
        });
        break;
      }
      const pending = this.queue.take(this.eligible);
      if (pending !== undefined) void this.send(pending);
    }
    this.tellWaiting();
  }

  /** Under a quota the turns are kept, and requests take little processor time. */
  private get eligible(): 'edit' | undefined {
    if (this.lender?.isEditing !== true || this.pacer.limiting) return undefined;
    const share = Math.max(1, Math.floor(this.maxConcurrentRequests * RESYNC_SHARE));
    return this.resyncsInFlight < share ? undefined : 'edit';
  }

  private tellWaiting(): void {
    const waiting = this.pacer.limiting ? this.queue.owners : 0;
    if (waiting === this.toldWaiting) return;
    this.toldWaiting = waiting;
    this.lender?.lend(waiting);
  }

  private async send(pending: Pending): Promise<void> {
    const { urgency } = pending;
    this.inFlight += 1;
    if (urgency === 'resync') this.resyncsInFlight += 1;
    const ticket = this.pacer.sent();
    try {
      const bytes = await this.kms.decrypt(pending.ciphertext, pending.context, pending.giveUp);
      this.noteServed();
      this.complete(pending, bytes);
    } catch (error) {
      if (!(error instanceof KmsError) || !error.isOutage) {
        this.noteServed();
        this.fail(pending, error);
      } else if (error.passing === 'throttled') {
        this.metrics.kmsThrottled.inc();
        this.pacer.wasThrottled(ticket);
        this.waitForQuota(pending, error);
      } else {
        this.tryAgain(pending, error);
      }
    } finally {
      this.inFlight -= 1;
      if (urgency === 'resync') this.resyncsInFlight -= 1;
      this.pump();
    }
  }

  private noteServed(): void {
    this.pacer.wasServed();
    this.lastServedAt = this.clock.monotonicMs();
    this.spareTries = Math.min(this.maxSpareTries, this.spareTries + 1);
  }

  /** Enough for losing all requests in flight when every connection is cut. */
  private get maxSpareTries(): number {
    return 2 * this.maxConcurrentRequests;
  }

  private waitForQuota(pending: Pending, error: KmsError): void {
    if (pending.giveUp.aborted) return;
    pending.throttled = error;
    this.queue.putBack(pending);
    const stalledSince = this.clock.monotonicMs() - MAX_STALL_MS;
    if (this.lastServedAt > stalledSince) return;
    for (const waiting of this.queue.removeAll(({ since }) => since <= stalledSince))
      this.fail(waiting, error);
  }

  private tryAgain(pending: Pending, error: KmsError): void {
    pending.tries += 1;
    const worthwhile = error.passing === 'momentary' && pending.tries < MAX_TRIES && this.spareTries > 0;
    if (pending.giveUp.aborted || !worthwhile || this.lifecycle?.stopping.aborted === true) {
      this.fail(pending, error);
      return;
    }
    this.spareTries -= 1;
    const pauseMs = backoffMs(pending.tries - 1, { baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS });
    pending.cancelPause = this.clock.setTimer(pauseMs, () => {
      delete pending.cancelPause;
      this.queue.putBack(pending);
      this.pump();
    });
  }

  private complete(pending: Pending, bytes: Uint8Array): void {
    this.forget(pending);
    try {
      pending.resolve(readPlaintext(bytes));
    } catch (error) {
      pending.reject(error);
    }
  }

  private fail(pending: Pending, error: unknown): void {
    this.forget(pending);
    pending.reject(error);
  }

  private forget(pending: Pending): void {
    pending.ignoreGiveUp();
    if (this.pending.get(pending.id) === pending) this.pending.delete(pending.id);
  }

  /** No caller waits for the request any more. */
  private drop(pending: Pending): void {
    pending.cancelPause?.();
    this.forget(pending);
    if (this.queue.remove(pending)) this.pump();
  }
}

function identity({ context }: DecryptRequest, ciphertext: Uint8Array): string {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([Buffer.from(ciphertext).toString('base64'), pairs]);
}

/** @param throttled the last throttled answer, if the request waited because of it. */
function abandoned(throttled?: KmsError): KmsError {
  return throttled ?? new KmsError('transient', 'Abandoned', 'the request was cancelled');
}
