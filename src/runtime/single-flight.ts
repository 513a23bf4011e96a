import { unlessAborted } from './abort.js';

interface Flight<T> {
  readonly result: Promise<T>;
  readonly giveUp: AbortController;
  waiters: number;
}

/** A caller that may stop waiting before the work is done. */
export interface Waiter {
  readonly signal: AbortSignal | undefined;
  /** What is thrown when the signal aborts. */
  readonly reason: () => Error;
}

/**
 * Does work once for all callers that ask for the same while it is in progress. A caller that gives up does not end
 * it for the others; the last one does.
 */
export class SingleFlight<T> {
  private readonly flights = new Map<string, Flight<T>>();

  /** @param onEnd called after each piece of work, before its callers continue. */
  constructor(private readonly onEnd: () => void = () => undefined) {}

  isUnderWay(key: string): boolean {
    return this.flights.has(key);
  }

  /**
   * Joins the work for `key`, or begins it.
   *
   * @param work gets a signal that aborts when no caller waits any more.
   * @throws what the work throws, to all callers; the waiter's reason when its signal aborts.
   */
  async run(key: string, work: (giveUp: AbortSignal) => Promise<T>, waiter?: Waiter): Promise<T> {
    if (waiter?.signal?.aborted === true) throw waiter.reason();
    const flight = this.flights.get(key) ?? this.begin(key, work);
    flight.waiters += 1;
    try {
      return await (waiter === undefined
        ? flight.result
        : unlessAborted(flight.result, waiter.signal, waiter.reason));
    } finally {
      flight.waiters -= 1;
      if (flight.waiters === 0 && this.flights.get(key) === flight) {
        this.flights.delete(key);
        flight.giveUp.abort();
      }
    }
  }

  private begin(key: string, work: (giveUp: AbortSignal) => Promise<T>): Flight<T> {
    const giveUp = new AbortController();
    const result = work(giveUp.signal).finally(() => {
      if (this.flights.get(key) === flight) this.flights.delete(key);
      this.onEnd();
    });
    const flight: Flight<T> = { result, giveUp, waiters: 0 };
    this.flights.set(key, flight);
    return flight;
  }
}
