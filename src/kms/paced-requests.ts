import { backoffMs } from '../runtime/backoff.js';
import { onAbort } from '../runtime/abort.js';
import type { Clock } from '../runtime/clock.js';
import { KmsError } from './kms-error.js';
import { RequestPacer } from './request-pacer.js';

/** Total attempts after a lost connection or a momentary failure of KMS. */
const MAX_TRIES = 5;
const RETRY_BASE_MS = 200;
const RETRY_CAP_MS = 5_000;
/** After only throttled answers for this long, waiting requests fail. */
const MAX_STALL_MS = 60_000;

interface Waiting {
  readonly send: () => Promise<void>;
  readonly fail: (error: unknown) => void;
  tries: number;
  /** The caller has its answer, or has given up. */
  isOver: boolean;
  /** The last throttled answer. */
  throttled?: KmsError;
}

/**
 * Sends requests to KMS with limited concurrency, no faster than KMS serves them. A throttled request waits and is sent
 * again, and fails only when KMS serves none for a minute; one that is lost is sent up to {@link MAX_TRIES} times.
 */
export class PacedRequests {
  private readonly pacer: RequestPacer;
  private waiting: Waiting[] = [];
  private inFlight = 0;
  private lastServedAt: number;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly maxConcurrent: number,
  ) {
    this.pacer = new RequestPacer(clock);
    this.lastServedAt = clock.monotonicMs();
  }

  /**
   * @param send sends the request once.
   * @throws KmsError of the last attempt; `Abandoned` when the signal aborts while it waits.
   */
  run<T>(send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        tries: 0,
        isOver: false,
        send: async () => {
          const answer = await send();
          stopListening();
          resolve(answer);
        },
        fail: (error) => {
          stopListening();
          reject(error instanceof Error ? error : new Error('a request failed'));
        },
      };
      const stopListening = onAbort(signal, () => {
        waiting.isOver = true;
        const at = this.waiting.indexOf(waiting);
        if (at !== -1) this.waiting.splice(at, 1);
        reject(waiting.throttled ?? new KmsError('transient', 'Abandoned', 'the request was cancelled'));
      });
      if (waiting.isOver) return;
      // After a pause without requests nothing has been served, which is no stall.
      if (this.waiting.length === 0 && this.inFlight === 0) this.lastServedAt = this.clock.monotonicMs();
      this.waiting.push(waiting);
      this.pump();
    });
  }

  private pump(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    while (this.inFlight < this.maxConcurrent && this.waiting.length > 0) {
      const delayMs = this.pacer.delayMs();
      if (delayMs > 0) {
        this.cancelTimer = this.clock.setTimer(delayMs, () => {
          this.pump();
        });
        return;
      }
      const next = this.waiting.shift();
      if (next !== undefined) void this.attempt(next);
    }
  }

  private async attempt(waiting: Waiting): Promise<void> {
    this.inFlight += 1;
    const ticket = this.pacer.sent();
    try {
      await waiting.send();
      this.noteServed();
    } catch (error) {
      if (!(error instanceof KmsError) || !error.isOutage) {
        this.noteServed();
        waiting.fail(error);
      } else if (error.passing === 'throttled') {
        this.pacer.wasThrottled(ticket);
        this.waitForQuota(waiting, error);
      } else this.tryAgain(waiting, error);
    } finally {
      this.inFlight -= 1;
      this.pump();
    }
  }

  private noteServed(): void {
    this.pacer.wasServed();
    this.lastServedAt = this.clock.monotonicMs();
  }

  private waitForQuota(waiting: Waiting, error: KmsError): void {
    if (waiting.isOver) return;
    waiting.throttled = error;
    this.waiting.unshift(waiting);
    if (this.clock.monotonicMs() - this.lastServedAt < MAX_STALL_MS) return;
    const all = this.waiting;
    this.waiting = [];
    for (const one of all) one.fail(error);
  }

  private tryAgain(waiting: Waiting, error: KmsError): void {
    if (waiting.isOver) return;
    waiting.tries += 1;
    if (error.passing !== 'momentary' || waiting.tries >= MAX_TRIES) {
      waiting.fail(error);
      return;
    }
    const pauseMs = backoffMs(waiting.tries - 1, { baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS });
    this.clock.setTimer(pauseMs, () => {
      if (waiting.isOver) return;
      this.waiting.unshift(waiting);
      this.pump();
    });
  }
}
