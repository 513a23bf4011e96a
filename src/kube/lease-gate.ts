import { Alarm } from '../runtime/alarm.js';
import type { Clock } from '../runtime/clock.js';
import { sharedAbort } from '../runtime/abort.js';
import { type WriteGate, WriteGateClosedError } from '../runtime/write-gate.js';

export interface LeaseGateOptions {
  readonly clock: Clock;
  /** Called when the gate closes because it was not prolonged in time. */
  readonly onExpiry?: () => void;
}

/**
 * A gate that is open until a time on the monotonic clock. The clock is read at every call: in a process that was
 * frozen, interrupted code continues before any timer fires.
 */
export class LeaseGate implements WriteGate {
  /** Undefined while closed. */
  private untilMs: number | undefined;
  private abort = sharedAbort();
  private readonly alarm: Alarm;

  constructor(private readonly options: LeaseGateOptions) {
    this.alarm = new Alarm(options.clock);
    this.abort.abort(new WriteGateClosedError());
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  assertOpen(): void {
    if (!this.isOpen()) throw new WriteGateClosedError();
  }

  isOpen(): boolean {
    if (this.untilMs === undefined) return false;
    if (this.options.clock.monotonicMs() < this.untilMs) return true;
    this.expire();
    return false;
  }

  /**
   * Opens the gate, or keeps it open, until a monotonic time in milliseconds.
   * @returns false, and opens nothing, when that time has passed already.
   */
  openUntil(untilMs: number): boolean {
    if (this.options.clock.monotonicMs() >= untilMs) return false;
    if (this.untilMs === undefined) this.abort = sharedAbort();
    this.untilMs = untilMs;
    this.watch();
    return true;
  }

  /** Closes the gate and aborts requests in flight. */
  close(): void {
    if (this.untilMs === undefined) return;
    this.untilMs = undefined;
    this.alarm.clear();
    this.abort.abort(new WriteGateClosedError());
  }

  private expire(): void {
    this.close();
    this.options.onExpiry?.();
  }

  private watch(): void {
    const leftMs = (this.untilMs ?? 0) - this.options.clock.monotonicMs();
    this.alarm.setIn(leftMs, () => {
      if (this.isOpen()) this.watch();
    });
  }
}
