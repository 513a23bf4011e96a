/**
 * Reasons of the `Ready` condition, the most important first: when several apply, the first of this
 * list is shown and the message tells of the others.
 */
export const READY_REASONS = [
  'Deleting',
  'InvalidSpec',
  'InvalidPath',
  'PathNotAllowed',
  'PathConflict',
  'VaultUnavailable',
  'VaultForbidden',
  'EngineMismatch',
  'KmsUnavailable',
  'CasIndexStale',
  'IncludeNotFound',
  'DecryptionFailed',
  'KeyConflict',
  'Synced',
] as const;

export type ReadyReason = (typeof READY_REASONS)[number];

/** Reasons with which everything desired stands in Vault. */
export function isReady(reason: ReadyReason): boolean {
  return reason === 'Synced' || reason === 'KeyConflict';
}

export type NormalEventReason =
  'SecretCreated' | 'SecretUpdated' | 'DriftRepaired' | 'SecretDeleted' | 'SecretKept' | 'PathChanged';

export type WarningEventReason =
  | Exclude<ReadyReason, 'Deleting' | 'Synced' | 'DecryptionFailed'>
  | 'DecodingError'
  | 'DecryptingError'
  | 'ExistingValueReplaced'
  | 'DeletionFailed';

export type EventReason = NormalEventReason | WarningEventReason;
