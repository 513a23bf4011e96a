import { keyString, type ResourceKey } from '../api/resource-key.js';
import type { Priority } from './work-queue.js';

export interface Waiting {
  readonly key: ResourceKey;
  readonly priority: Priority;
  /** Monotonic milliseconds when the key was first added. */
  readonly since: number;
}

/** After this many edits in a row one resync is taken, so that a stream of edits cannot starve resyncs. */
const EDITS_PER_RESYNC = 10;

/** Two FIFO lanes without duplicates: edits overtake resyncs. */
export class Lanes {
  private readonly edits = new Map<string, Waiting>();
  private readonly resyncs = new Map<string, Waiting>();
  private editsInARow = 0;

  get size(): number {
    return this.edits.size + this.resyncs.size;
  }

  add(key: ResourceKey, priority: Priority, now: number): void {
    const id = keyString(key);
    if (this.edits.has(id)) return;
    const waiting = this.resyncs.get(id);
    if (priority === 'edit') {
      this.resyncs.delete(id);
      this.edits.set(id, { key, priority, since: waiting?.since ?? now });
    } else if (waiting === undefined) {
      this.resyncs.set(id, { key, priority, since: now });
    }
  }

  /** @param only takes only from this lane. */
  take(only?: Priority): Waiting | undefined {
    const resyncsTurn = only === undefined && this.editsInARow >= EDITS_PER_RESYNC && this.resyncs.size > 0;
    if (only === 'edit' && this.edits.size === 0) return undefined;
    const lane = this.edits.size > 0 && !resyncsTurn ? this.edits : this.resyncs;
    const first = lane.entries().next();
    if (first.done === true) return undefined;
    const [id, waiting] = first.value;
    lane.delete(id);
    this.editsInARow = waiting.priority === 'edit' ? this.editsInARow + 1 : 0;
    return waiting;
  }

  remove(id: string): void {
    this.edits.delete(id);
    this.resyncs.delete(id);
  }

  clear(): void {
    this.edits.clear();
    this.resyncs.clear();
  }
}
