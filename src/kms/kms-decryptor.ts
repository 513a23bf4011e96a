import { inject, injectable } from 'tsyringe';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { onAbort, unlessAborted } from '../runtime/abort.js';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
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

interface Flight {
  readonly id: string;
  readonly owner: string;
  urgency: Urgency;
  readonly ciphertext: Uint8Array;
  readonly context: DecryptRequest['context'];
  readonly since: number;
  readonly giveUp: AbortController;
  readonly plaintext: Promise<string>;
  readonly resolve: (plaintext: string) => void;
  readonly reject: (error: unknown) => void;
  /** Ends the pause before the next attempt. */
  cancelPause?: () => void;
  /** The last throttled answer, which makes the request wait. */
  throttled?: KmsError;
  tries: number;
  waiters: number;
  settled: boolean;
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
  private readonly queue = new FairQueue<Flight>();
  private readonly pacer: RequestPacer;
  private readonly flights = new Map<string, Flight>();
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
    /** Aborted when the shutdown starts: requests that wait for a quota are cancelled. */
    @inject(TOKENS.stopping, { isOptional: true }) private readonly stopping?: AbortSignal,
    /** Notified how many owners wait for a KMS quota; absent in the webhook. */
    @inject(TOKENS.queue, { isOptional: true }) private readonly lender?: WorkerLender,
  ) {
    this.pacer = new RequestPacer(clock);
    this.spareTries = this.maxSpareTries;
    this.lastServedAt = clock.monotonicMs();
    onAbort(stopping, () => {
      this.pump();
    });
  }

  async decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string> {
    if (signal?.aborted === true) throw abandoned();
    const ciphertext = readCiphertext(request.encryptedSecret);
    const id = identity(request, ciphertext);
    const joined = this.flights.get(id);
    if (joined !== undefined) {
      this.metrics.kmsRequestsAvoided.inc({ why: 'coalesced' });
      if (request.urgency === 'edit') this.queue.raise(joined);
    }
    return await this.wait(joined ?? this.begin(id, request, ciphertext), signal);
  }

  private begin(id: string, request: DecryptRequest, ciphertext: Uint8Array): Flight {
    const { context, owner = NOBODY, urgency = 'resync' } = request;
    const { promise, resolve, reject } = deferred();
    const flight: Flight = {
      id,
      owner,
      urgency,
      ciphertext,
      context,
      since: this.clock.monotonicMs(),
      giveUp: new AbortController(),
      plaintext: promise,
      resolve,
      reject,
      tries: 0,
      waiters: 0,
      settled: false,
    };
    this.flights.set(id, flight);
    this.queue.add(flight);
    // After all callers of this moment are queued, so that they take turns from the first request on.
    queueMicrotask(() => {
      this.pump();
    });
    return flight;
  }

  /** Sends what may be sent now, and sets a timer for the rest. */
  private pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.stopping?.aborted === true && this.pacer.limiting) {
      for (const flight of this.queue.removeAll(() => true)) this.fail(flight, abandoned());
    }
    while (this.inFlight < this.maxConcurrentRequests && this.queue.has(this.eligible)) {
      const delayMs = this.pacer.delayMs();
      if (delayMs > 0) {
        this.cancelTimer = this.clock.setTimer(delayMs, () => {
          this.pump();
        });
        break;
      }
      const flight = this.queue.take(this.eligible);
      if (flight !== undefined) void this.send(flight);
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

  private async send(flight: Flight): Promise<void> {
    const { urgency } = flight;
    this.inFlight += 1;
    if (urgency === 'resync') this.resyncsInFlight += 1;
    const ticket = this.pacer.sent();
    try {
      const bytes = await this.kms.decrypt(flight.ciphertext, flight.context, flight.giveUp.signal);
      this.noteServed();
      this.complete(flight, bytes);
    } catch (error) {
      if (!(error instanceof KmsError) || !error.isOutage) {
        this.noteServed();
        this.fail(flight, error);
      } else if (error.passing === 'throttled') {
        this.metrics.kmsThrottled.inc();
        this.pacer.wasThrottled(ticket);
        this.waitForQuota(flight, error);
      } else {
        this.tryAgain(flight, error);
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

  private waitForQuota(flight: Flight, error: KmsError): void {
    if (flight.settled) return;
    flight.throttled = error;
    this.queue.putBack(flight);
    const stalledSince = this.clock.monotonicMs() - MAX_STALL_MS;
    if (this.lastServedAt > stalledSince) return;
    for (const waiting of this.queue.removeAll(({ since }) => since <= stalledSince))
      this.fail(waiting, error);
  }

  private tryAgain(flight: Flight, error: KmsError): void {
    flight.tries += 1;
    const worthwhile = error.passing === 'momentary' && flight.tries < MAX_TRIES && this.spareTries > 0;
    if (flight.settled || !worthwhile || this.stopping?.aborted === true) {
      this.fail(flight, error);
      return;
    }
    this.spareTries -= 1;
    const pauseMs = backoffMs(flight.tries - 1, { baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS });
    flight.cancelPause = this.clock.setTimer(pauseMs, () => {
      delete flight.cancelPause;
      this.queue.putBack(flight);
      this.pump();
    });
  }

  private complete(flight: Flight, bytes: Uint8Array): void {
    this.forget(flight);
    try {
      flight.resolve(readPlaintext(bytes));
    } catch (error) {
      flight.reject(error);
    }
  }

  private fail(flight: Flight, error: unknown): void {
    this.forget(flight);
    flight.reject(error);
  }

  private forget(flight: Flight): void {
    flight.settled = true;
    if (this.flights.get(flight.id) === flight) this.flights.delete(flight.id);
  }

  /** A caller that cancels does not end the request for others; the last one does. */
  private async wait(flight: Flight, signal?: AbortSignal): Promise<string> {
    flight.waiters += 1;
    try {
      return await unlessAborted(flight.plaintext, signal, () => abandoned(flight.throttled));
    } finally {
      flight.waiters -= 1;
      if (flight.waiters === 0) this.drop(flight);
    }
  }

  /** No caller waits for the request any more. */
  private drop(flight: Flight): void {
    if (flight.settled) return;
    flight.plaintext.catch(() => undefined);
    flight.cancelPause?.();
    this.forget(flight);
    if (this.queue.remove(flight)) this.pump();
    flight.giveUp.abort();
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

function deferred(): {
  promise: Promise<string>;
  resolve: (value: string) => void;
  reject: (error: unknown) => void;
} {
  let resolve: (value: string) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<string>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
