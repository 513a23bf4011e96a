/** `edit` overtakes `resync`: somebody waits for it. */
export type Urgency = 'edit' | 'resync';

/** What can wait in a {@link FairQueue}. */
export interface Waiter {
  /** Who takes turns with the others: a resource, a review. */
  readonly owner: string;
  urgency: Urgency;
}

interface Lane<T> {
  /** Owners that already had a turn in this round. */
  readonly again: T[];
  /** By owner, in the order of the turns. */
  readonly turns: Map<string, T[]>;
}

/** After so many edits in a row one resync has its turn. */
const EDITS_PER_RESYNC = 10;

/**
 * Requests that wait for KMS. Edits come first; otherwise the owners take turns, so that a small owner finishes after a
 * few rounds, however many requests the others have.
 */
export class FairQueue<T extends Waiter> {
  private readonly lanes: Readonly<Record<Urgency, Lane<T>>> = {
    edit: { again: [], turns: new Map() },
    resync: { again: [], turns: new Map() },
  };
  /** How many items of each owner wait. */
  private readonly waiting = new Map<string, number>();
  private editsInARow = 0;

  /** @param only looks only at this lane. */
  has(only?: 'edit'): boolean {
    return !isEmpty(this.lanes.edit) || (only !== 'edit' && !isEmpty(this.lanes.resync));
  }

  /** How many owners have something waiting. */
  get owners(): number {
    return this.waiting.size;
  }

  /** Last of its owner. */
  add(item: T): void {
    const { turns } = this.lanes[item.urgency];
    const items = turns.get(item.owner);
    this.count(item, 1);
    if (items === undefined) turns.set(item.owner, [item]);
    else items.push(item);
  }

  /** Puts an item first: it had its turn and must get it again. */
  putBack(item: T): void {
    this.lanes[item.urgency].again.push(item);
    this.count(item, 1);
  }

  /** @param only takes only from this lane. */
  take(only?: 'edit'): T | undefined {
    const item = this.next(only);
    if (item !== undefined) this.count(item, -1);
    return item;
  }

  /** @returns whether it was waiting. */
  remove(item: T): boolean {
    const { again, turns } = this.lanes[item.urgency];
    const items = turns.get(item.owner) ?? [];
    const removed = removeFrom(again, item) || removeFrom(items, item);
    if (items.length === 0) turns.delete(item.owner);
    if (removed) this.count(item, -1);
    return removed;
  }

  /** A more urgent caller waits for the same item. */
  raise(item: T): void {
    if (item.urgency === 'edit') return;
    const waiting = this.remove(item);
    item.urgency = 'edit';
    if (waiting) this.add(item);
  }

  /** Takes out everything that fits. */
  removeAll(fits: (item: T) => boolean): T[] {
    const all: T[] = [];
    for (const { again, turns } of [this.lanes.edit, this.lanes.resync]) {
      for (const items of [again, ...turns.values()]) all.push(...items);
    }
    return all.filter((item) => fits(item) && this.remove(item));
  }

  private next(only?: 'edit'): T | undefined {
    const { edit, resync } = this.lanes;
    const resyncsTurn = this.editsInARow >= EDITS_PER_RESYNC && !isEmpty(resync);
    const lane = only === undefined && (isEmpty(edit) || resyncsTurn) ? resync : edit;
    this.editsInARow = lane === edit ? this.editsInARow + 1 : 0;
    const again = lane.again.shift();
    if (again !== undefined) return again;
    const next = lane.turns.entries().next();
    if (next.done === true) return undefined;
    const [owner, items] = next.value;
    const item = items.shift();
    // To the end of the round.
    lane.turns.delete(owner);
    if (items.length > 0) lane.turns.set(owner, items);
    return item;
  }

  private count({ owner }: T, change: 1 | -1): void {
    const count = (this.waiting.get(owner) ?? 0) + change;
    if (count === 0) this.waiting.delete(owner);
    else this.waiting.set(owner, count);
  }
}

function isEmpty<T>({ again, turns }: Lane<T>): boolean {
  return again.length === 0 && turns.size === 0;
}

function removeFrom<T>(items: T[], item: T): boolean {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
  return index >= 0;
}
