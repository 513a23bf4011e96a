/** As the operator promises: a leader writes for so long after it renewed the lease, and no longer. */
export const RENEW_DEADLINE_MS = 10_000;
/**
 * A request that was sent in time may still be on its way. Far less than what lies between the renew
 * deadline and the end of the lease (15 s), so two replicas never both have the right to write.
 */
export const DELIVERY_MS = 2_000;
/** Clocks and event loops of a busy machine. */
const TOLERANCE_MS = 300;

/** Somebody who takes the lease without asking; not one of the replicas, and no writer. */
export const STRANGER = 'stranger';

/** The lease as it was stored at one moment. */
export interface LeaseRecord {
  readonly atMs: number;
  /** Empty: released. */
  readonly holder: string;
  readonly durationMs: number;
}

interface Term {
  readonly sinceMs: number;
  lastRenewalMs: number;
  /** When its holder released it. */
  releasedMs: number | undefined;
}

/** Who held the lease when, by the record of the API server. */
export class LeaseTerms {
  private last: LeaseRecord | undefined;
  private readonly terms = new Map<string, Term[]>();
  /** How often the lease went from one replica to another. */
  handovers = 0;

  /** @returns what is wrong with the change, if anything. */
  record(record: LeaseRecord): string | undefined {
    const before = this.last;
    this.last = record;
    if (record.holder === '') {
      const term = this.latest(before?.holder ?? '');
      if (term !== undefined) term.releasedMs = record.atMs;
      return undefined;
    }
    const term = this.latest(record.holder);
    if (before?.holder === record.holder && term !== undefined) {
      term.lastRenewalMs = record.atMs;
      return undefined;
    }
    const terms = this.terms.get(record.holder) ?? [];
    this.terms.set(record.holder, terms);
    terms.push({ sinceMs: record.atMs, lastRenewalMs: record.atMs, releasedMs: undefined });
    if (before === undefined) return undefined;
    this.handovers += 1;
    const keptMs = record.atMs - before.atMs;
    return before.holder !== '' && record.holder !== STRANGER && keptMs < before.durationMs - TOLERANCE_MS
      ? `the lease was taken ${String(Math.round(keptMs))} ms after its last renewal, which was good for ${String(before.durationMs)} ms`
      : undefined;
  }

  /** Who holds it by the latest record; undefined when nobody does. */
  get holder(): string | undefined {
    return this.last?.holder === '' ? undefined : this.last?.holder;
  }

  /** When the latest term of a holder that had begun by then began. */
  termStart(holder: string, ms: number): number | undefined {
    return this.latest(holder, ms)?.sinceMs;
  }

  /**
   * The rule for writers: a request that changes Vault or a resource may arrive only from a replica that
   * has not released the lease and whose last renewal, by the record of the API server, is at most the renew
   * deadline plus {@link DELIVERY_MS} old, whoever holds the lease by now.
   *
   * @returns what is wrong, if anything.
   */
  mayWrite(holder: string, atMs: number): string | undefined {
    const term = this.latest(holder, atMs);
    if (term === undefined) return 'it never held the lease';
    if (term.releasedMs !== undefined && atMs > term.releasedMs + TOLERANCE_MS)
      return 'it had released the lease';
    const ageMs = atMs - term.lastRenewalMs;
    return ageMs > RENEW_DEADLINE_MS + DELIVERY_MS
      ? `its last renewal of the lease was ${String(Math.round(ageMs))} ms ago`
      : undefined;
  }

  private latest(holder: string, ms = Infinity): Term | undefined {
    return this.terms.get(holder)?.findLast(({ sinceMs }) => sinceMs <= ms);
  }
}
