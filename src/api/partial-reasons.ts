import type { Progress, ReasonPolicy } from './reasons.js';

/** What a reason of a partial means, in the terms of {@link ReasonPolicy}. */
export type PartialReasonPolicy = Pick<ReasonPolicy, 'ready' | 'meaning' | 'actor' | 'action'> & {
  readonly progress: Progress;
};

const POLICIES = {
  Withdrawing: {
    ready: false,
    progress: 'Reconciling',
    meaning:
      'The partial is being deleted. With the finalizer, it stays until its keys are removed from Vault through the resources that include it.',
    actor: 'nobody',
    action: 'See the resources that include it.',
  },
  Invalid: {
    ready: false,
    progress: 'Stalled',
    meaning:
      'The spec is not valid, KMS will always refuse some of its values, or their encryption context is not allowed. Vault keeps the values that it has for these keys.',
    actor: 'the author',
    action: 'Correct the fields or values that the message names.',
  },
  Valid: {
    ready: true,
    progress: 'none',
    meaning:
      'The partial can be included. Whether its values are in Vault is reported by the resources that include it.',
    actor: 'nobody',
    action: 'None.',
  },
} as const satisfies Readonly<Record<string, PartialReasonPolicy>>;

export type PartialReason = keyof typeof POLICIES;

/** What each reason of the `Ready` condition of a `PartialKMSVaultSecret` means and what follows from it. */
export const PARTIAL_REASONS: Readonly<Record<PartialReason, PartialReasonPolicy>> = POLICIES;
