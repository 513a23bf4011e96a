/** Names of permissions, as in IAM policies. */
export type KmsAction =
  | 'kms:CreateAlias'
  | 'kms:CreateKey'
  | 'kms:Decrypt'
  | 'kms:DescribeKey'
  | 'kms:Encrypt'
  | 'kms:ReEncryptFrom'
  | 'kms:ReEncryptTo';

export interface KmsKey {
  readonly id: string;
  readonly arn: string;
  readonly material: Buffer;
  readonly created: Date;
  readonly description: string;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
  /** For tests: the key policy denies everybody. */
  denied: boolean;
  /** For tests: what the key policy denies everybody. */
  readonly deniedActions: Set<KmsAction>;
}

/** The state that the operations use. */
export interface KmsState {
  readonly keys: Map<string, KmsKey>;
  /** Names such as `alias/web`, and the key IDs that they stand for. */
  readonly aliases: Map<string, string>;
  readonly region: string;
  addKey(id?: string, material?: Buffer): KmsKey;
}

/** An error as KMS answers it; throttling too comes with 400. */
export class KmsFault extends Error {
  readonly status: number;

  constructor(
    readonly type: string,
    message: string,
  ) {
    super(message);
    this.status = ['KMSInternalException', 'DependencyTimeoutException', 'KeyUnavailableException'].includes(
      type,
    )
      ? 500
      : 400;
  }
}

export const ACCOUNT = '111122223333';

/**
 * The key that a member of a request names: a key ID, a key ARN, an alias name or an alias ARN.
 *
 * @throws KmsFault NotFoundException
 */
export function namedKey(state: KmsState, id: unknown, member = 'keyId'): KmsKey {
  if (typeof id !== 'string' || id === '') throw validation(member, 'Member must not be null');
  if (id.length > 2_048) throw validation(member, 'Member must have length less than or equal to 2048');
  const name = /^arn:[^:]*:kms:[^:]*:[^:]*:(.*)$/.exec(id)?.[1] ?? id;
  const isAlias = name.startsWith('alias/');
  const isArn = id === arnOf(state, name);
  const keyId = isAlias ? (state.aliases.get(name) ?? '') : isArn ? name.replace(/^key\//, '') : name;
  const key = state.keys.get(keyId);
  if (key !== undefined && (isArn || id === name)) return key;
  const arn = arnOf(state, isAlias || name.startsWith('key/') ? name : `key/${name}`);
  const kind = isAlias ? 'Alias' : 'Key';
  throw new KmsFault(
    'NotFoundException',
    isAlias
      ? `${kind} ${id.startsWith('arn:') ? id : arn} is not found.`
      : `${kind} '${id.startsWith('arn:') ? id : arn}' does not exist`,
  );
}

export function arnOf({ region }: Pick<KmsState, 'region'>, name: string): string {
  return `arn:aws:kms:${region}:${ACCOUNT}:${name}`;
}

/**
 * @param wasNamed whether the request names the key; otherwise KMS found it in the ciphertext, and its answer does not
 *   tell whether the key exists.
 */
export function authorize(key: KmsKey, action: KmsAction, wasNamed: boolean): void {
  if (!key.denied && !key.deniedActions.has(action)) return;
  if (!wasNamed) throw unknownOrDenied();
  throw new KmsFault(
    'AccessDeniedException',
    `User: arn:aws:iam::${ACCOUNT}:user/demo is not authorized to perform: ${action} on resource: ${key.arn} ` +
      `with an explicit deny in a resource-based policy`,
  );
}

/** A ciphertext of a key that does not exist here, or that the caller may not use. */
export function unknownOrDenied(): KmsFault {
  return new KmsFault(
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  );
}

export function expectEnabled(key: KmsKey): void {
  if (key.state === 'Disabled') throw new KmsFault('DisabledException', `${key.arn} is disabled.`);
  if (key.state === 'PendingDeletion')
    throw new KmsFault('KMSInvalidStateException', `${key.arn} is pending deletion.`);
}

export function validation(member: string, constraint: string): KmsFault {
  return new KmsFault(
    'ValidationException',
    `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${constraint}`,
  );
}
