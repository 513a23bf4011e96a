import { isRecord } from './status-body.js';

/** The holder of a `Lease`, as client-go's leader election reads and writes it. */
export interface LeaseRecord {
  /** Empty if there is no holder or the record is invalid. */
  readonly holderIdentity: string;
  /** Undefined unless it is a positive integer. */
  readonly leaseDurationSeconds: number | undefined;
  readonly acquireTime: string | undefined;
  readonly leaseTransitions: number;
  /**
   * Changes with every write of the lease. client-go compares only the record; the version also distinguishes two
   * equal writes with another one in between.
   */
  readonly fingerprint: string;
}

/** A lease with the version that an optimistic write needs. */
export interface LeaseObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid?: string;
    readonly resourceVersion: string;
  };
  readonly spec?: unknown;
}

/** `leaseTransitions` is an int32. */
const MAX_TRANSITIONS = 2 ** 31 - 1;
/** The duration that client-go writes when it releases a lease; an empty holder alone is not a release. */
const RELEASED_DURATION_SECONDS = 1;

/** Parses the record of a lease, whatever it contains; never throws. */
export function recordOf(lease: LeaseObject): LeaseRecord {
  const spec = isRecord(lease.spec) ? lease.spec : {};
  const { uid, resourceVersion } = lease.metadata;
  const { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions } = spec;
  return {
    holderIdentity: typeof holderIdentity === 'string' ? holderIdentity : '',
    leaseDurationSeconds: isWhole(leaseDurationSeconds, 1) ? leaseDurationSeconds : undefined,
    acquireTime: typeof acquireTime === 'string' ? acquireTime : undefined,
    leaseTransitions: isWhole(leaseTransitions, 0) ? leaseTransitions : 0,
    fingerprint: JSON.stringify([uid, resourceVersion, holderIdentity, renewTime]),
  };
}

/** Whether the last holder has released the lease, so that nobody writes. */
export function isReleased(record: LeaseRecord): boolean {
  return record.holderIdentity === '' && record.leaseDurationSeconds === RELEASED_DURATION_SECONDS;
}

/** The spec of a holder that acquires or renews the lease; `before` is the previous record. */
export function heldSpec(
  before: LeaseRecord | undefined,
  holder: { readonly identity: string; readonly leaseDurationMs: number; readonly now: Date },
): Record<string, unknown> {
  const now = microTime(holder.now);
  const renewal = before?.holderIdentity === holder.identity;
  return {
    holderIdentity: holder.identity,
    leaseDurationSeconds: Math.max(1, Math.ceil(holder.leaseDurationMs / 1_000)),
    acquireTime: renewal ? (before.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: before === undefined ? 0 : renewal ? before.leaseTransitions : following(before),
  };
}

/** The spec of a lease that its holder releases. */
export function releasedSpec(before: LeaseRecord, now: Date): Record<string, unknown> {
  return {
    holderIdentity: '',
    leaseDurationSeconds: RELEASED_DURATION_SECONDS,
    acquireTime: microTime(now),
    renewTime: microTime(now),
    leaseTransitions: before.leaseTransitions,
  };
}

function following({ leaseTransitions }: LeaseRecord): number {
  return leaseTransitions < MAX_TRANSITIONS ? leaseTransitions + 1 : MAX_TRANSITIONS;
}

function isWhole(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= MAX_TRANSITIONS;
}

/** `metav1.MicroTime`: RFC 3339 with six digits of a second. */
function microTime(date: Date): string {
  return date.toISOString().replace(/Z$/, '000Z');
}
