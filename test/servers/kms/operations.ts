import { type Context, keyIdOf, open, seal } from './ciphertext.js';

export interface KmsKey {
  readonly id: string;
  readonly arn: string;
  readonly material: Buffer;
  readonly created: Date;
  readonly description: string;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
  /** For tests: the key policy denies everybody. */
  denied: boolean;
}

/** The state that the operations use. */
export interface KmsState {
  readonly keys: Map<string, KmsKey>;
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

type Input = Record<string, unknown>;
const MAX_PLAINTEXT_BYTES = 4_096;
const MAX_CIPHERTEXT_BYTES = 6_144;

/** The operations of KMS that are needed here, by the names of the API reference. */
export const operations = {
  CreateKey(state: KmsState, input: Input): unknown {
    expectMembers(input, [
      'Description',
      'KeyUsage',
      'KeySpec',
      'CustomerMasterKeySpec',
      'Origin',
      'Policy',
      'Tags',
    ]);
    return { KeyMetadata: metadata(state.addKey()) };
  },

  Encrypt(state: KmsState, input: Input): unknown {
    expectMembers(input, [
      'KeyId',
      'Plaintext',
      'EncryptionContext',
      'EncryptionAlgorithm',
      'GrantTokens',
      'DryRun',
    ]);
    const key = usable(find(state, input.KeyId));
    const plaintext = blob('plaintext', input.Plaintext, MAX_PLAINTEXT_BYTES);
    const ciphertext = seal(key.id, key.material, plaintext, contextOf(input));
    return {
      CiphertextBlob: ciphertext.toString('base64'),
      KeyId: key.arn,
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    };
  },

  Decrypt(state: KmsState, input: Input): unknown {
    expectMembers(input, [
      'CiphertextBlob',
      'KeyId',
      'EncryptionContext',
      'EncryptionAlgorithm',
      'GrantTokens',
      'DryRun',
    ]);
    const { key, plaintext } = opened(state, input.CiphertextBlob, input.KeyId, contextOf(input));
    return {
      Plaintext: plaintext.toString('base64'),
      KeyId: key.arn,
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    };
  },

  ReEncrypt(state: KmsState, input: Input): unknown {
    expectMembers(input, [
      'CiphertextBlob',
      'SourceEncryptionContext',
      'SourceKeyId',
      'SourceEncryptionAlgorithm',
      'DestinationKeyId',
      'DestinationEncryptionContext',
      'DestinationEncryptionAlgorithm',
      'GrantTokens',
      'DryRun',
    ]);
    const destination = find(state, input.DestinationKeyId, 'destinationKeyId');
    const { key: source, plaintext } = opened(
      state,
      input.CiphertextBlob,
      input.SourceKeyId,
      contextOf(input, 'SourceEncryptionContext'),
    );
    const { id, material, arn } = usable(destination);
    const context = contextOf(input, 'DestinationEncryptionContext');
    return {
      CiphertextBlob: seal(id, material, plaintext, context).toString('base64'),
      SourceKeyId: source.arn,
      KeyId: arn,
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    };
  },

  DescribeKey(state: KmsState, input: Input): unknown {
    expectMembers(input, ['KeyId', 'GrantTokens']);
    return { KeyMetadata: metadata(find(state, input.KeyId)) };
  },
};

/** A ciphertext that a key of this account encrypted with this context. */
function opened(
  state: KmsState,
  member: unknown,
  wantedKey: unknown,
  context: Context,
): { readonly key: KmsKey; readonly plaintext: Buffer } {
  const ciphertext = blob('ciphertextBlob', member, MAX_CIPHERTEXT_BYTES);
  const keyId = keyIdOf(ciphertext);
  if (keyId === undefined) throw new KmsFault('InvalidCiphertextException', '');
  if (wantedKey !== undefined && find(state, wantedKey).id !== keyId) {
    throw new KmsFault(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    );
  }
  const key = state.keys.get(keyId);
  // For a key of another account, the error is also AccessDenied.
  if (key === undefined) throw denied();
  const plaintext = open(keyId, usable(key).material, ciphertext, context);
  if (plaintext === undefined) throw new KmsFault('InvalidCiphertextException', '');
  return { key, plaintext };
}

function find(state: KmsState, id: unknown, member = 'keyId'): KmsKey {
  if (typeof id !== 'string' || id === '') throw validation(member, 'Member must not be null');
  const key = state.keys.get(id.startsWith('arn:') ? id.slice(id.lastIndexOf('/') + 1) : id);
  if (key === undefined) {
    const arn = id.startsWith('arn:') ? id : `arn:aws:kms:${state.region}:111122223333:key/${id}`;
    throw new KmsFault('NotFoundException', `Key '${arn}' does not exist`);
  }
  return key;
}

function usable(key: KmsKey): KmsKey {
  if (key.denied) throw denied();
  if (key.state === 'Disabled') throw new KmsFault('DisabledException', `${key.arn} is disabled.`);
  if (key.state === 'PendingDeletion') throw invalidState(key);
  return key;
}

function denied(): KmsFault {
  return new KmsFault(
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  );
}

function invalidState(key: KmsKey): KmsFault {
  return new KmsFault(
    'KMSInvalidStateException',
    `${key.arn} is ${key.state === 'PendingDeletion' ? 'pending deletion' : 'not pending deletion'}.`,
  );
}

function metadata(key: KmsKey): unknown {
  return {
    AWSAccountId: '111122223333',
    KeyId: key.id,
    Arn: key.arn,
    CreationDate: key.created.getTime() / 1000,
    Enabled: key.state === 'Enabled',
    Description: key.description,
    KeyUsage: 'ENCRYPT_DECRYPT',
    KeyState: key.state,
    KeyManager: 'CUSTOMER',
    KeySpec: 'SYMMETRIC_DEFAULT',
    Origin: 'AWS_KMS',
    EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
  };
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function blob(member: string, value: unknown, maxBytes: number): Buffer {
  if (typeof value !== 'string') throw validation(member, 'Member must not be null');
  if (!BASE64.test(value)) throw new KmsFault('SerializationException', '');
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length < 1) throw validation(member, 'Member must have length greater than or equal to 1');
  if (bytes.length > maxBytes)
    throw validation(member, `Member must have length less than or equal to ${String(maxBytes)}`);
  return bytes;
}

function contextOf(input: Input, member = 'EncryptionContext'): Context {
  const context = input[member] ?? {};
  if (typeof context !== 'object' || context === null || Array.isArray(context))
    throw new KmsFault('SerializationException', '');
  if (Object.values(context).some((value) => typeof value !== 'string'))
    throw new KmsFault('SerializationException', '');
  return context as Context;
}

function validation(member: string, constraint: string): KmsFault {
  return new KmsFault(
    'ValidationException',
    `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${constraint}`,
  );
}

function expectMembers(input: Input, known: readonly string[]): void {
  const unknown = Object.keys(input).find((member) => !known.includes(member));
  if (unknown !== undefined) throw new KmsFault('SerializationException', `Unknown member ${unknown}`);
}
