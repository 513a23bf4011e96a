/** Faults by what they hit; of each group at most one is active. */
export const FAULTS = {
  process: ['kill', 'freeze', 'rolling restart', 'steal the lease'],
  kubernetes: [
    'restart',
    'cut watches',
    'compact',
    'silent watches',
    'half-open watches',
    'throttle',
    'internal errors',
    'failing status patches',
    'forbidden status patches',
    'resets',
    'lost answers of patches',
  ],
  vault: [
    'seal',
    'stop',
    'slow',
    'internal errors',
    'throttle',
    'lost answers',
    'revoke tokens',
    'forbidden reads',
    'wipe',
    'replace a mount',
    'resets',
    'swap the certificate',
  ],
  kms: ['quota', 'hang', 'down', 'slow', 'internal errors', 'disable a key', 'deny a key'],
  webhook: ['swap the certificate', 'half-written certificate', 'kill'],
} as const;

/** Longer than a lease: whoever was frozen wakes up into the term of another one. */
export const BEYOND_A_LEASE_MS = 17_000;

export type FaultGroup = keyof typeof FAULTS;
export type FaultName = { [G in FaultGroup]: `${G}: ${(typeof FAULTS)[G][number]}` }[FaultGroup];
export type Phase = 'begin' | 'end';

/** The longest that a fault of a group lasts, in milliseconds. */
export const LONGEST_FAULT_MS: Readonly<Record<FaultGroup, number>> = {
  process: 20_000,
  kubernetes: 7_000,
  vault: 7_000,
  kms: 7_000,
  webhook: 4_000,
};
