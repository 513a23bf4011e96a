import { PARTIAL_REASONS, type PartialReason } from '../api/partial-reasons.js';
import type { PartialKMSVaultSecret, PartialKMSVaultSecretStatus } from '../api/resources.js';
import { withConditions } from './conditions.js';

/** The status of a partial with the reason of its `Ready` condition. */
export function partialStatus(
  current: PartialKMSVaultSecretStatus | undefined,
  { metadata: { generation } }: PartialKMSVaultSecret,
  found: { readonly reason: PartialReason; readonly message: string; readonly includedBy: number },
  now: Date,
): PartialKMSVaultSecretStatus {
  const { reason, message, includedBy } = found;
  const { ready, progress } = PARTIAL_REASONS[reason];
  return {
    ...current,
    includedBy,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: withConditions(
      current?.conditions,
      {
        ready: { status: ready ? 'True' : 'False', reason, message },
        progress: progress === 'none' ? undefined : { type: progress, reason, message },
      },
      { generation, now },
    ),
  };
}
