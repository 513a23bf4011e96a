import type { Condition, KMSVaultSecretStatus } from '../api/resources.js';
import { seconds } from './conditions.js';

/** The condition, and the reason of a `Stalled` that a suspension has added. */
export const SUSPENDED = 'Suspended';
const NOT_WRITTEN =
  'spec.suspend is true, and Vault does not hold everything that the resource describes; it is not written until ' +
  'spec.suspend is false or absent';

/** What a suspended resource reports. */
export interface Held {
  readonly message: string;
  /** Vault holds what the resource describes, as far as the status tells. */
  readonly isWritten: boolean;
  readonly generation: number | undefined;
}

/**
 * The status of a suspended resource. `Ready` is left as it was. A tool that follows kstatus
 * (sigs.k8s.io/cli-utils, pkg/kstatus) asks for `observedGeneration` and would then believe `Ready: True`, or wait for
 * ever for one that is False: unless everything is written, `Stalled` says that only a person helps.
 */
export function suspendedStatus(
  current: KMSVaultSecretStatus,
  { message, isWritten, generation }: Held,
  now: Date,
): KMSVaultSecretStatus {
  const before = current.conditions ?? [];
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const condition = (type: string, text: string): Condition => ({
    type,
    status: 'True',
    reason: SUSPENDED,
    message: text,
    ...observed,
    lastTransitionTime: before.find((known) => known.type === type)?.lastTransitionTime ?? seconds(now),
  });
  const ready = before.find(({ type }) => type === 'Ready')?.status === 'True';
  const stalled = before.find(({ type, reason }) => type === 'Stalled' && reason !== SUSPENDED);
  const others = before.filter(({ type }) => ![SUSPENDED, 'Reconciling', 'Stalled'].includes(type));
  return {
    ...current,
    ...observed,
    conditions: [
      ...others,
      ...(ready && isWritten ? [] : [stalled ?? condition('Stalled', NOT_WRITTEN)]),
      condition(SUSPENDED, message),
    ],
  };
}

/** The status without what {@link suspendedStatus} has added. */
export function resumedStatus(current: KMSVaultSecretStatus): KMSVaultSecretStatus {
  return {
    ...current,
    conditions: (current.conditions ?? []).filter(
      ({ type, reason }) => type !== SUSPENDED && !(type === 'Stalled' && reason === SUSPENDED),
    ),
  };
}

export function saysSuspended(status: KMSVaultSecretStatus | undefined): boolean {
  return status?.conditions?.some(({ type }) => type === SUSPENDED) === true;
}
