import { sameData, type SecretData } from '../vault/secret-data.js';
import type { KvReading, KvVersion } from '../vault/kv-store.js';

export interface Kv2Situation {
  /** `spec.kvSettings.casIndex`; undefined: the operator tracks versions automatically. */
  readonly casIndex: number | undefined;
  readonly reading: KvReading;
  /** The desired data, including kept values. */
  readonly target: SecretData;
  /** According to the status, the operator wrote or found equal exactly the current version, from these inputs. */
  readonly vouched: boolean;
  /** The version last written or found equal at this place, from any inputs. */
  readonly lastVersion: KvVersion | undefined;
}

export type Kv2Decision =
  | { readonly action: 'none' }
  /** `replaces` is set when the first write replaces live data that the operator did not write. */
  | { readonly action: 'write'; readonly cas: number; readonly replaces?: number }
  /** Not written; `wouldDo` is the `casIndex` that would allow it. */
  | { readonly action: 'stale'; readonly current: number; readonly wouldDo: number };

/** Decides what to do with a v2 secret; the order of the cases matters. */
export function decideKv2(situation: Kv2Situation): Kv2Decision {
  const current = versionOf(situation.reading);
  const equal = holdsTarget(situation);
  return situation.casIndex === undefined
    ? decideTracked(situation, current, equal)
    : decidePinned(situation, situation.casIndex, current, equal);
}

function decideTracked(situation: Kv2Situation, current: number, equal: boolean): Kv2Decision {
  if (equal || situation.vouched) return { action: 'none' };
  const firstContact = situation.lastVersion === undefined;
  const { reading } = situation;
  return firstContact && reading.state === 'live' && reading.data.size > 0
    ? { action: 'write', cas: current, replaces: current }
    : { action: 'write', cas: current };
}

function decidePinned(
  situation: Kv2Situation,
  casIndex: number,
  current: number,
  equal: boolean,
): Kv2Decision {
  const upToDate = equal || situation.vouched;
  const stale: Kv2Decision = { action: 'stale', current, wouldDo: current };
  if (current === casIndex + 1) return upToDate ? { action: 'none' } : stale;
  if (current === casIndex) return { action: 'write', cas: casIndex };
  if (current === 0) return { action: 'write', cas: 0 };
  if (upToDate) return { action: 'none' };
  const weRebuiltIt = current < casIndex && isVersion(situation.reading, situation.lastVersion);
  return weRebuiltIt ? { action: 'write', cas: current } : stale;
}

/** 0 if there is no version, as in check-and-set. */
export function versionOf(reading: KvReading): number {
  return reading.state === 'absent' ? 0 : (reading.version?.version ?? 0);
}

/** Number and creation time are equal; a re-created secret may have the same number only. */
export function isVersion(reading: KvReading, version: KvVersion | undefined): boolean {
  if (reading.state === 'absent' || reading.version === undefined || version === undefined) return false;
  return reading.version.version === version.version && reading.version.createdTime === version.createdTime;
}

/** A deleted or destroyed version counts as empty data; without any version there is not even that. */
function holdsTarget({ reading, target }: Kv2Situation): boolean {
  if (reading.state === 'absent') return false;
  if (reading.state === 'deleted') return target.size === 0;
  return sameData(reading.data, target);
}
