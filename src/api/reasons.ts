/**
 * When a failed reconcile is tried again without a change of the resource: `soon` with the queue's backoff,
 * `resync` at the next sync period, `never` only when the resource changes, because the answer would be the same.
 */
export type Retry = 'soon' | 'resync' | 'never';

/**
 * The condition of kstatus that a resource has beside `Ready`. `Reconciling`: a change waits, and another attempt
 * follows soon. `Stalled`: it cannot become ready until somebody changes this resource or what it names. `none`: there
 * is nothing to report, or something else has to change, such as a policy or a partial, which may happen at any time.
 */
export type Progress = 'Reconciling' | 'Stalled' | 'none';

/** Everything that follows from a reason of the `Ready` condition. */
export interface ReasonPolicy {
  /** Status of the condition: everything that the resource describes is in Vault. */
  readonly ready: boolean;
  /**
   * A server gave no answer that says anything about this resource. The condition of a resource that is unchanged
   * stays as it is, and a login is tried again as after an outage, not as after a refusal.
   */
  readonly outage: boolean;
  /** The retry of an error with this reason; the error may know better. */
  readonly retry: Retry;
  /** Something else that makes the operator try again. */
  readonly alsoRetried?: string;
  /** The condition of kstatus; a finding may know better. */
  readonly progress: Progress;
  /** The Warning event that reports it: `own` has the name of the reason, `none` leaves it to other events. */
  readonly event: 'own' | 'none' | WarningOfItsOwn;
  readonly meaning: string;
  /** Who has to act before the resource becomes ready. */
  readonly actor: 'nobody' | 'the author' | 'an administrator' | 'the author or an administrator';
  readonly action: string;
}

interface EventGuide {
  readonly type: 'Normal' | 'Warning';
  readonly meaning: string;
}

/** Every event that is not a reason of the `Ready` condition. */
export const EVENTS = {
  SecretCreated: { type: 'Normal', meaning: 'The secret was written for the first time.' },
  SecretUpdated: { type: 'Normal', meaning: 'A change was written.' },
  DriftRepaired: {
    type: 'Normal',
    meaning: 'Another client had changed the value in Vault; the operator restored it.',
  },
  SecretDeleted: {
    type: 'Normal',
    meaning: 'The value was deleted from Vault, because the resource was deleted with the finalizer.',
  },
  SecretKept: {
    type: 'Normal',
    meaning: 'The resource was released and the value stays in Vault; the message says why.',
  },
  PathChanged: {
    type: 'Normal',
    meaning: '`spec.path` changed; the old value stays at the path that the message names.',
  },
  Suspended: {
    type: 'Normal',
    meaning:
      '`spec.suspend` is true: nothing is read from or written to Vault and KMS until the resource is resumed.',
  },
  Resumed: { type: 'Normal', meaning: '`spec.suspend` is not true any more; the resource is synced again.' },
  DecodingError: { type: 'Warning', meaning: 'A key is not base64.' },
  DecryptingError: { type: 'Warning', meaning: 'A key cannot be decrypted; the message says why.' },
  ExistingValueReplaced: {
    type: 'Warning',
    meaning:
      'The first write replaced other data in Vault; the message names the version that still has them.',
  },
  DeletionFailed: {
    type: 'Warning',
    meaning: 'The value cannot be deleted from Vault yet; the resource stays until it is.',
  },
} as const satisfies Readonly<Record<string, EventGuide>>;

type EventOfType<Type extends EventGuide['type']> = {
  [Name in keyof typeof EVENTS]: (typeof EVENTS)[Name]['type'] extends Type ? Name : never;
}[keyof typeof EVENTS];

type WarningOfItsOwn = EventOfType<'Warning'>;

/** The rows in the order of importance: of several reasons that apply, the condition has the first. */
const POLICIES = {
  Deleting: {
    ready: false,
    outage: false,
    retry: 'soon',
    progress: 'Reconciling',
    event: 'DeletionFailed',
    meaning: 'The resource is being deleted, and its value could not be removed from Vault yet.',
    actor: 'an administrator',
    action:
      'If Vault is down, nothing: the operator retries. After a 403, grant `delete`, or remove the finalizer.',
  },
  InvalidSpec: {
    ready: false,
    outage: false,
    retry: 'never',
    progress: 'Stalled',
    event: 'own',
    meaning: 'The spec passes the schema of the CRD but is not valid.',
    actor: 'the author',
    action: 'Correct the fields that the message names.',
  },
  InvalidPath: {
    ready: false,
    outage: false,
    retry: 'never',
    progress: 'Stalled',
    event: 'own',
    meaning: '`spec.path` is not a valid path of a K/V secret.',
    actor: 'the author',
    action: 'Correct the path.',
  },
  PathNotAllowed: {
    ready: false,
    outage: false,
    retry: 'never',
    progress: 'Stalled',
    event: 'own',
    meaning: '`spec.path` is outside `--allowed-vault-paths` for this namespace.',
    actor: 'the author or an administrator',
    action: 'Change the path, or the flag of the operator and the webhook.',
  },
  PathConflict: {
    ready: false,
    outage: false,
    retry: 'never',
    alsoRetried: 'when the older resource releases the path',
    progress: 'Stalled',
    event: 'own',
    meaning: 'An older resource has the same path; only the older one is written.',
    actor: 'the author',
    action: 'Remove one of the two resources, or change its path.',
  },
  VaultUnavailable: {
    ready: false,
    outage: true,
    retry: 'soon',
    progress: 'Reconciling',
    event: 'own',
    meaning: 'A change is pending because Vault does not answer, is sealed, or refused the login.',
    actor: 'an administrator',
    action: 'Restore Vault, the network or the login.',
  },
  VaultForbidden: {
    ready: false,
    outage: false,
    retry: 'resync',
    progress: 'none',
    event: 'own',
    meaning: 'Vault denies access to the path, or has no such mount; its answer is the same for both.',
    actor: 'an administrator',
    action: 'Extend the policy, create the mount, or correct the path.',
  },
  EngineMismatch: {
    ready: false,
    outage: false,
    retry: 'resync',
    progress: 'Stalled',
    event: 'own',
    meaning: 'The path or `engineVersion` does not match the mount.',
    actor: 'the author or an administrator',
    action: 'Correct the resource, or the mount.',
  },
  KmsUnavailable: {
    ready: false,
    outage: true,
    retry: 'soon',
    progress: 'Reconciling',
    event: 'own',
    meaning: 'A change is pending because KMS does not answer, throttles, or gets no valid credentials.',
    actor: 'an administrator',
    action: 'Restore access to KMS: network, credentials, region or quota.',
  },
  CasIndexStale: {
    ready: false,
    outage: false,
    retry: 'resync',
    progress: 'Stalled',
    event: 'own',
    meaning: '`casIndex` pins a version, and the current version in Vault is another one.',
    actor: 'the author',
    action: 'Set `casIndex` to the number in the message, or remove it.',
  },
  IncludeNotFound: {
    ready: false,
    outage: false,
    retry: 'never',
    alsoRetried: 'when the partial is created or changed',
    progress: 'none',
    event: 'own',
    meaning:
      'A partial in `includeSecrets` is missing or invalid. The rest is written, and nothing is removed.',
    actor: 'the author',
    action: 'Create or correct the partial, or remove its name.',
  },
  ContextNotAllowed: {
    ready: false,
    outage: false,
    retry: 'never',
    alsoRetried: 'when the operator starts with other flags',
    progress: 'Stalled',
    event: 'own',
    meaning:
      'The encryption context of some ciphertexts lacks what `--required-context` or `--required-partial-context` ' +
      'requires. They are not decrypted; Vault keeps the value that it has for each of these keys.',
    actor: 'the author or an administrator',
    action: 'Encrypt the values with the pairs in the message, or exempt the namespace.',
  },
  DecryptionFailed: {
    ready: false,
    outage: false,
    // For a key that KMS will always refuse, the error says `never`.
    retry: 'resync',
    alsoRetried: 'a key with wrong input only when the resource changes',
    // With a key that KMS will always refuse, the finding says `Stalled`.
    progress: 'none',
    // Each key has an event: DecodingError or DecryptingError.
    event: 'none',
    meaning: 'Some keys cannot be decrypted. Vault keeps the value that it has for each of them.',
    actor: 'the author or an administrator',
    action: 'See the reason of each key in `status.failedKeys`.',
  },
  KeyConflict: {
    ready: true,
    outage: false,
    retry: 'never',
    progress: 'none',
    event: 'own',
    meaning:
      'Everything is written, but a key is defined more than once. The message says which definition wins.',
    actor: 'the author',
    action: 'Remove the other definitions.',
  },
  Synced: {
    ready: true,
    outage: false,
    retry: 'never',
    progress: 'none',
    event: 'none',
    meaning: 'Vault holds what the resource describes.',
    actor: 'nobody',
    action: 'None.',
  },
} as const satisfies Readonly<Record<string, ReasonPolicy>>;

export type ReadyReason = keyof typeof POLICIES;

/**
 * What each reason of the `Ready` condition means and what follows from it. The rest of the code and
 * `docs/reference.md` ask this table; a reason without a complete row does not compile.
 */
export const REASONS: Readonly<Record<ReadyReason, ReasonPolicy>> = POLICIES;

/** The most important first. */
export const READY_REASONS = Object.keys(POLICIES) as readonly ReadyReason[];

export function isReady(reason: ReadyReason): boolean {
  return REASONS[reason].ready;
}

/** @param reason as a status has it, which another version may have written. */
export function isOutage(reason: string | undefined): boolean {
  return READY_REASONS.some((known) => known === reason && REASONS[known].outage);
}

type ReasonWithEvent = {
  [Reason in ReadyReason]: (typeof POLICIES)[Reason]['event'] extends 'own' ? Reason : never;
}[ReadyReason];

export type NormalEventReason = EventOfType<'Normal'>;
export type WarningEventReason = ReasonWithEvent | WarningOfItsOwn;
export type EventReason = NormalEventReason | WarningEventReason;

/** The event that reports a reason; undefined when other events do. */
export function warningOf(reason: ReadyReason): WarningEventReason | undefined {
  const { event } = REASONS[reason];
  if (event === 'none') return undefined;
  return event === 'own' ? (reason as ReasonWithEvent) : event;
}
