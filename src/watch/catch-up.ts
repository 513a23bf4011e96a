import type { Clock } from '../runtime/clock.js';
import { StaleCacheError } from '../runtime/write-gate.js';
import { type Scope, whenFresh } from './scope.js';

/** How long work waits for a fresh cache instead of starting over; it keeps plaintexts in memory meanwhile. */
const CATCH_UP_MS = 30_000;

/** Work on a resource of a scope that was fresh in this epoch. */
export interface ScopedWork {
  readonly scope: Scope;
  epoch: number;
}

/** Work that waits until the list of its namespace is complete, so that it does not have to start over. */
export class CatchUp {
  private waiting = 0;
  private lend: (waiting: number) => void = () => undefined;

  constructor(private readonly clock: Clock) {}

  /** @param lend called with the number of keys in process that only wait for a list. */
  onWaiting(lend: (waiting: number) => void): void {
    this.lend = lend;
  }

  /** See `FreshWork.catchUp`. */
  async run(work: ScopedWork, isUnchanged: () => Promise<boolean>, signal?: AbortSignal): Promise<boolean> {
    const { scope } = work;
    const untilMs = this.clock.monotonicMs() + CATCH_UP_MS;
    let waited = false;
    while (!scope.fresh || work.epoch !== scope.epoch) {
      waited = true;
      await this.wait(scope, untilMs, signal);
      // The list that the comparison is about: after another one, the work is compared again.
      const { epoch } = scope;
      if (!(await isUnchanged())) throw new StaleCacheError();
      work.epoch = epoch;
    }
    return waited;
  }

  private async wait(scope: Scope, untilMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.lend((this.waiting += 1));
    try {
      await whenFresh(scope, this.clock, untilMs, signal);
    } finally {
      this.lend((this.waiting -= 1));
    }
  }
}
