import type { Kind } from '../api/group.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { StaleCacheError } from '../runtime/write-gate.js';
import type { WatchState } from './watch-state.js';

/** A watched namespace; `''`: all of them. */
export interface Scope {
  readonly namespace: string;
  readonly watches: ReadonlyMap<Kind, WatchState>;
  fresh: boolean;
  /** It was fresh once. */
  seen: boolean;
  /** Ends the waits for freshness. */
  readonly waiting: Set<LinkedAbort>;
  /** Counts how often the scope ceased to be fresh: work that began before may not write. */
  epoch: number;
  behindSinceMs: number;
  saidBehind: boolean;
}

/**
 * @throws StaleCacheError when the scope is not fresh by then (monotonic milliseconds), when the API server refuses
 *   its list, or when the signal aborts.
 */
export async function whenFresh(
  scope: Scope,
  clock: Clock,
  untilMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  while (!scope.fresh) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0 || isRefused(scope) || signal?.aborted === true) throw new StaleCacheError();
    const wait = new LinkedAbort([signal]);
    scope.waiting.add(wait);
    await sleep(clock, leftMs, wait.signal);
    scope.waiting.delete(wait);
    wait.dispose();
  }
}

/** Ends all waits for freshness; each then looks at the scope again. */
export function endWaits({ waiting }: Scope): void {
  for (const wait of waiting) wait.abort();
}

/** The API server answered 403, which lasts until somebody changes permissions. */
export function isRefused({ watches }: Scope): boolean {
  return [...watches.values()].some(({ refused }) => refused);
}

/** For a message; empty when all namespaces are watched at once. */
export function namesOf(scopes: readonly Scope[]): string {
  const names = scopes.map(({ namespace }) => namespace).filter((namespace) => namespace !== '');
  return names.length === 0 ? '' : ` in ${names.sort().join(', ')}`;
}
