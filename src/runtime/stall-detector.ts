import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import type { Clock } from './clock.js';

const BEAT_MS = 1_000;
/** Pauses of a loaded machine are shorter, and have no more effect than a slow network. */
const LIMIT_MS = 5_000;

/** Gets notified about stalls. */
export interface StallListener {
  /** Called with the length of the stall, before {@link StallDetector.check} returns. */
  readonly onStall: (stalledMs: number) => void;
  /** Called at every beat, about once a second. */
  readonly onBeat?: () => void;
}

/**
 * Detects that the process did not run for a while: stopped by a signal, or suspended with its machine. Time spent
 * computing does not count: parsing a large list is not a stall.
 */
@injectable()
export class StallDetector {
  private last: { readonly monotonicMs: number; readonly wallMs: number; readonly cpuMs: number } | undefined;
  private listener: StallListener | undefined;
  private cancel: (() => void) | undefined;

  constructor(
    @inject(TOKENS.clock) private readonly clock: Clock,
    /** CPU time that this process has used. */
    @inject(TOKENS.usedCpuMs, { isOptional: true }) private readonly usedCpuMs: () => number = cpuTimeMs,
  ) {}

  start(listener: StallListener): void {
    if (this.cancel !== undefined) return;
    this.listener = listener;
    this.last = this.reading();
    this.schedule();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.last = undefined;
  }

  /** Checks now: after a stall, interrupted code continues before any timer fires. */
  check(): void {
    if (this.last === undefined) return;
    const before = this.last;
    const { clock } = this;
    // The monotonic clock of a suspended machine stands still; the wall clock does not.
    const passedMs = Math.max(
      clock.monotonicMs() - before.monotonicMs,
      clock.now().getTime() - before.wallMs,
    );
    // The CPU time costs a system call, and this is called before each write.
    if (passedMs <= LIMIT_MS) return;
    this.last = this.reading();
    const stalledMs = passedMs - (this.last.cpuMs - before.cpuMs);
    if (stalledMs > LIMIT_MS) this.listener?.onStall(stalledMs);
  }

  private reading(): { monotonicMs: number; wallMs: number; cpuMs: number } {
    const { clock, usedCpuMs } = this;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime(), cpuMs: usedCpuMs() };
  }

  private schedule(): void {
    this.cancel = this.clock.setTimer(BEAT_MS, () => {
      this.schedule();
      this.check();
      if (this.last !== undefined) this.last = this.reading();
      this.listener?.onBeat?.();
    });
  }
}

function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
