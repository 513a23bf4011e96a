import { setFlagsFromString } from 'node:v8';

/**
 * How much the heap may grow between two full collections. V8 lets a small heap grow to several times its size, which
 * favours short runs of batch work; a process that runs for months and holds little pays for it in resident memory.
 */
export const HEAP_GROWTH_FLAG = '--heap-growing-percent=30';

/** Keeps the heap near what is in use; docs/benchmarks.md says what this saves. */
export function limitHeapGrowth(): void {
  setFlagsFromString(HEAP_GROWTH_FLAG);
}
