import type { Clock } from '../runtime/clock.js';
import { isReleased, type LeaseRecord } from './lease-record.js';

/** A longer duration in a foreign lease is invalid: no elector in use asks for more than minutes. */
const MAX_FOREIGN_DURATION_MS = 10 * 60_000;
/** The holder assumed for a deleted lease. */
const UNKNOWN_HOLDER = 'unknown';

/**
 * The record of the lease as this replica has observed it. Timestamps of other replicas are never compared with the
 * local clock: a foreign record is valid for its duration since it was first observed.
 */
export class LeaseObservation {
  /** Since when (monotonic milliseconds) the record has been unchanged. */
  private last: { readonly record: LeaseRecord; readonly sinceMs: number } | undefined;

  constructor(
    private readonly options: {
      readonly clock: Pick<Clock, 'monotonicMs'>;
      readonly identity: string;
      readonly leaseDurationMs: number;
    },
  ) {}

  /** Empty when nothing was observed, or nobody holds the lease. */
  get holder(): string {
    return this.last?.record.holderIdentity ?? '';
  }

  see(record: LeaseRecord): void {
    if (this.last?.record.fingerprint === record.fingerprint) return;
    this.last = { record, sinceMs: this.options.clock.monotonicMs() };
  }

  /**
   * A deleted lease counts as held from now on: another replica may have acquired it since the last read and may
   * not know yet that it was deleted. Only the leader knows that nobody did.
   */
  seeDeletion(isLeading: boolean): void {
    if (this.last === undefined) return;
    const holderIdentity = isLeading ? this.options.identity : UNKNOWN_HOLDER;
    this.see({ ...this.last.record, holderIdentity, fingerprint: `vanished from ${holderIdentity}` });
  }

  /** Whether another replica may still write. */
  isHeldByAnother(isLeading: boolean): boolean {
    if (this.last === undefined) return false;
    const { record } = this.last;
    if (record.holderIdentity === this.options.identity || isReleased(record)) return false;
    // An invalid record in our own lease is overwritten; in a foreign lease it must expire.
    if (record.holderIdentity === '' && isLeading) return false;
    return this.untilExpiryMs() > 0;
  }

  /** Milliseconds until the record expires, 0 or less when it has; Infinity when nothing was observed. */
  untilExpiryMs(): number {
    if (this.last === undefined) return Infinity;
    const { clock, leaseDurationMs } = this.options;
    const { record, sinceMs } = this.last;
    const foreignMs = Math.min((record.leaseDurationSeconds ?? 0) * 1_000, MAX_FOREIGN_DURATION_MS);
    return sinceMs + Math.max(leaseDurationMs, foreignMs) - clock.monotonicMs();
  }
}
