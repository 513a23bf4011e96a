import { Alarm } from '../runtime/alarm.js';
import type { Clock } from '../runtime/clock.js';
import { sharedAbort } from '../runtime/shared-abort.js';
import { type WriteGate, WriteGateClosedError } from '../runtime/write-gate.js';

export interface LeaseGateOptions {
  readonly clock: Clock;
  /** The time ran out before somebody prolonged it. */
  readonly onLapse?: () => void;
}

/**
 * A gate that stands open until a time on the monotonic clock. The clock is asked at every call: in a
 * process that was frozen the code that was interrupted runs on before any timer does.
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
    this.lapse();
    return false;
  }

  /**
   * Opens the gate, or keeps it open, until a monotonic time in milliseconds.
   * @returns false when that time has passed already: nothing is opened then.
   */
  openUntil(untilMs: number): boolean {
    if (this.options.clock.monotonicMs() >= untilMs) return false;
    if (this.untilMs === undefined) this.abort = sharedAbort();
    this.untilMs = untilMs;
    this.watch();
    return true;
  }

  /** Closes the gate and gives up what is in flight. */
  close(): void {
    if (this.untilMs === undefined) return;
    this.untilMs = undefined;
    this.alarm.clear();
    this.abort.abort(new WriteGateClosedError());
  }

  private lapse(): void {
    this.close();
    this.options.onLapse?.();
  }

  private watch(): void {
    const leftMs = (this.untilMs ?? 0) - this.options.clock.monotonicMs();
    this.alarm.setIn(leftMs, () => {
      if (this.isOpen()) this.watch();
    });
  }
}
