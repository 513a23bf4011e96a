import type { Clock } from './clock.js';

const BEAT_MS = 1_000;
/** A pause of a loaded machine is shorter; what is missed in one as short is no more than a slow network's. */
const DEFAULT_LIMIT_MS = 5_000;

export interface StallDetectorOptions {
  readonly clock: Clock;
  /** Called with the length of the stall, before {@link StallDetector.check} returns. */
  readonly onStall: (stalledMs: number) => void;
  /** Called at every beat, about once a second. */
  readonly onBeat?: () => void;
  readonly limitMs?: number;
  /** CPU time that this process has used. */
  readonly cpuMs?: () => number;
}

/**
 * Notices that the process did not run for a while: stopped by a signal, or together with its machine.
 * Time that it spent computing does not count: parsing a large list is no stall.
 */
export class StallDetector {
  private last: { readonly monotonicMs: number; readonly wallMs: number; readonly cpuMs: number } | undefined;
  private cancel: (() => void) | undefined;

  constructor(private readonly options: StallDetectorOptions) {}

  start(): void {
    if (this.cancel !== undefined) return;
    this.last = this.reading();
    this.schedule();
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.last = undefined;
  }

  /** Looks now: code that was interrupted by a stall runs on before any timer does. */
  check(): void {
    if (this.last === undefined) return;
    const before = this.last;
    const now = this.reading();
    this.last = now;
    // The monotonic clock of a suspended machine stands still; the wall clock does not.
    const passedMs = Math.max(now.monotonicMs - before.monotonicMs, now.wallMs - before.wallMs);
    const stalledMs = passedMs - (now.cpuMs - before.cpuMs);
    if (stalledMs > (this.options.limitMs ?? DEFAULT_LIMIT_MS)) this.options.onStall(stalledMs);
  }

  private reading(): { monotonicMs: number; wallMs: number; cpuMs: number } {
    const { clock, cpuMs = cpuTimeMs } = this.options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime(), cpuMs: cpuMs() };
  }

  private schedule(): void {
    this.cancel = this.options.clock.setTimer(BEAT_MS, () => {
      this.schedule();
      this.check();
      this.options.onBeat?.();
    });
  }
}

function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
