import type { Retry } from './errors.js';
import type { NormalEventReason, ReadyReason, WarningEventReason } from './reasons.js';

/** What a reason of the `Ready` condition means to the person who reads it. */
export interface ReasonGuide {
  readonly meaning: string;
  /** Who has to act before the resource becomes ready. */
  readonly actor: 'nobody' | 'the author' | 'an administrator' | 'the author or an administrator';
  readonly action: string;
  /** When the operator tries again without a change of the resource; `never` waits for that change. */
  readonly retry: readonly Retry[];
  /** Something else that makes the operator try again at once. */
  readonly alsoRetried?: string;
}

/** Every reason of the `Ready` condition; `docs/reference.md` is generated from this. */
export const REASON_GUIDE: Readonly<Record<ReadyReason, ReasonGuide>> = {
  Deleting: {
    meaning: 'The resource is being deleted, and its value could not be removed from Vault yet.',
    actor: 'an administrator',
    action: 'Nothing if Vault is down. After a 403, grant `delete`, or release the resource by hand.',
    retry: ['soon'],
  },
  InvalidSpec: {
    meaning: 'The spec passes the schema and cannot be used.',
    actor: 'the author',
    action: 'Correct the fields that the message names.',
    retry: ['never'],
  },
  InvalidPath: {
    meaning: '`spec.path` is not a path of a K/V engine.',
    actor: 'the author',
    action: 'Correct the path.',
    retry: ['never'],
  },
  PathNotAllowed: {
    meaning: '`spec.path` is outside `--allowed-vault-paths` for this namespace.',
    actor: 'the author or an administrator',
    action: 'Change the path, or the flag of both programs.',
    retry: ['never'],
  },
  PathConflict: {
    meaning: 'An older resource has the same path and is the one that is written.',
    actor: 'the author',
    action: 'Remove one of the two resources, or change its path.',
    retry: ['never'],
    alsoRetried: 'when the older resource gives up the path',
  },
  VaultUnavailable: {
    meaning: 'A change waits for Vault, which does not answer, is sealed, or has refused the login.',
    actor: 'an administrator',
    action: 'Restore Vault, the network or the login.',
    retry: ['soon'],
  },
  VaultForbidden: {
    meaning: 'Vault denies the path, or has no such mount. To a token the two look the same.',
    actor: 'an administrator',
    action: 'Extend the policy, or create the mount; otherwise correct the path.',
    retry: ['resync'],
  },
  EngineMismatch: {
    meaning: 'The path or `engineVersion` does not match the mount.',
    actor: 'the author or an administrator',
    action: 'Correct the resource, or the mount.',
    retry: ['resync'],
  },
  KmsUnavailable: {
    meaning: 'A change waits for KMS, which does not answer, throttles, or has no valid credentials from us.',
    actor: 'an administrator',
    action: 'Restore access to KMS: network, credentials, region or quota.',
    retry: ['soon'],
  },
  CasIndexStale: {
    meaning: 'The resource is pinned, and Vault is at a version that `casIndex` may not replace.',
    actor: 'the author',
    action: 'Set `casIndex` to the number in the message, or remove it.',
    retry: ['resync'],
  },
  IncludeNotFound: {
    meaning:
      'A partial in `includeSecrets` is missing or invalid. The rest is written, and nothing is removed.',
    actor: 'the author',
    action: 'Create or correct the partial, or remove its name.',
    retry: ['never'],
    alsoRetried: 'when the partial is created or changed',
  },
  DecryptionFailed: {
    meaning: 'Some keys cannot be decrypted. Vault keeps the value that it has for each of them.',
    actor: 'the author or an administrator',
    action: 'See the reason of each key in `status.failedKeys`.',
    retry: ['never', 'resync'],
  },
  KeyConflict: {
    meaning:
      'Everything is written, but a key is defined more than once. The message says which definition wins.',
    actor: 'the author',
    action: 'Remove the other definitions.',
    retry: ['never'],
  },
  Synced: {
    meaning: 'Vault holds what the resource describes.',
    actor: 'nobody',
    action: 'None.',
    retry: ['never'],
  },
};

/** Every event of type Normal. */
export const NORMAL_EVENTS: Readonly<Record<NormalEventReason, string>> = {
  SecretCreated: 'The secret was written for the first time.',
  SecretUpdated: 'A change was written.',
  DriftRepaired: 'Somebody had changed the value in Vault; it was restored.',
  SecretDeleted: 'The value was deleted from Vault, because the resource was deleted with the finalizer.',
  SecretKept: 'The resource was released and the value stays in Vault; the message says why.',
  PathChanged: '`spec.path` changed; the old value stays at the path that the message names.',
};

/** Every event of type Warning; those of the `Ready` condition mean what the condition says. */
export const WARNING_EVENTS: Readonly<
  Record<Exclude<WarningEventReason, ReadyReason>, string> &
    Record<Extract<WarningEventReason, ReadyReason>, ReadyReason>
> = {
  InvalidSpec: 'InvalidSpec',
  InvalidPath: 'InvalidPath',
  PathNotAllowed: 'PathNotAllowed',
  PathConflict: 'PathConflict',
  VaultUnavailable: 'VaultUnavailable',
  VaultForbidden: 'VaultForbidden',
  EngineMismatch: 'EngineMismatch',
  KmsUnavailable: 'KmsUnavailable',
  CasIndexStale: 'CasIndexStale',
  IncludeNotFound: 'IncludeNotFound',
  KeyConflict: 'KeyConflict',
  DecodingError: 'A key is not base64.',
  DecryptingError: 'A key cannot be decrypted; the message says why.',
  ExistingValueReplaced:
    'Vault held other data when the resource was first written; the message names the version that still has them.',
  DeletionFailed: 'The value cannot be deleted from Vault yet; the resource waits.',
};
