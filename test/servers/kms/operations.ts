import { createHash } from 'node:crypto';

import { type Context, keyIdOf, open, seal } from './ciphertext.js';
import {
  ACCOUNT,
  arnOf,
  authorize,
  expectEnabled,
  type KmsAction,
  KmsFault,
  type KmsKey,
  type KmsState,
  namedKey,
  unknownOrDenied,
  validation,
} from './kms-keys.js';
import {
  blobOf,
  contextOf,
  dryRunOf,
  endDryRun,
  expectMembers,
  expectNoGrants,
  expectSymmetric,
  type Input,
} from './members.js';

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

  CreateAlias(state: KmsState, input: Input): unknown {
    expectMembers(input, ['AliasName', 'TargetKeyId']);
    const { AliasName: name } = input;
    if (typeof name !== 'string' || !/^alias\/[a-zA-Z0-9/_-]+$/.test(name))
      throw validation(
        'aliasName',
        'Member must satisfy regular expression pattern: ^alias/[a-zA-Z0-9/_-]+$',
      );
    const key = namedKey(state, input.TargetKeyId, 'targetKeyId');
    authorize(key, 'kms:CreateAlias', true);
    if (state.aliases.has(name))
      throw new KmsFault(
        'AlreadyExistsException',
        `An alias with the name ${arnOf(state, name)} already exists`,
      );
    state.aliases.set(name, key.id);
    return {};
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
    const dryRun = dryRunOf(input);
    const plaintext = blobOf('plaintext', input.Plaintext, MAX_PLAINTEXT_BYTES);
    const context = contextOf(input);
    const key = usable(namedKey(state, input.KeyId), 'kms:Encrypt', true);
    expectSymmetric(input);
    expectNoGrants(input);
    endDryRun(dryRun);
    return {
      CiphertextBlob: seal(key.id, key.material, plaintext, context).toString('base64'),
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
      'DryRunModifiers',
    ]);
    const dryRun = dryRunOf(input);
    const context = contextOf(input);
    const source = sourceOf(state, input, { action: 'kms:Decrypt', keyMember: 'KeyId', ...dryRun });
    expectSymmetric(input);
    expectNoGrants(input);
    const plaintext = opened(source, context);
    endDryRun(dryRun);
    return {
      Plaintext: plaintext.toString('base64'),
      KeyId: source.key.arn,
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      KeyMaterialId: materialIdOf(source.key),
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
      'DryRunModifiers',
    ]);
    const dryRun = dryRunOf(input);
    const sourceContext = contextOf(input, 'SourceEncryptionContext');
    const context = contextOf(input, 'DestinationEncryptionContext');
    const named = namedKey(state, input.DestinationKeyId, 'destinationKeyId');
    const source = sourceOf(state, input, {
      action: 'kms:ReEncryptFrom',
      keyMember: 'SourceKeyId',
      ...dryRun,
    });
    const destination = usable(named, 'kms:ReEncryptTo', true);
    expectSymmetric(input, 'SourceEncryptionAlgorithm');
    expectSymmetric(input, 'DestinationEncryptionAlgorithm');
    expectNoGrants(input);
    const plaintext = opened(source, sourceContext);
    endDryRun(dryRun);
    return {
      CiphertextBlob: seal(destination.id, destination.material, plaintext, context).toString('base64'),
      SourceKeyId: source.key.arn,
      KeyId: destination.arn,
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      SourceKeyMaterialId: materialIdOf(source.key),
      DestinationKeyMaterialId: materialIdOf(destination),
    };
  },

  DescribeKey(state: KmsState, input: Input): unknown {
    expectMembers(input, ['KeyId', 'GrantTokens']);
    const key = namedKey(state, input.KeyId);
    authorize(key, 'kms:DescribeKey', true);
    expectNoGrants(input);
    return { KeyMetadata: metadata(key) };
  },
};

/** A ciphertext, and the key of this account that encrypted it. */
interface Source {
  readonly key: KmsKey;
  /** Undefined in a dry run without one. */
  readonly ciphertext: Buffer | undefined;
}

function sourceOf(
  state: KmsState,
  input: Input,
  options: { readonly action: KmsAction; readonly keyMember: string; readonly ignoresCiphertext: boolean },
): Source {
  const { action, keyMember, ignoresCiphertext } = options;
  const wanted = input[keyMember];
  const memberName = keyMember.charAt(0).toLowerCase() + keyMember.slice(1);
  if (ignoresCiphertext) {
    return { key: usable(namedKey(state, wanted, memberName), action, true), ciphertext: undefined };
  }
  const ciphertext = blobOf('ciphertextBlob', input.CiphertextBlob, MAX_CIPHERTEXT_BYTES);
  const named = wanted === undefined ? undefined : namedKey(state, wanted, memberName);
  const keyId = keyIdOf(ciphertext);
  if (keyId === undefined) throw new KmsFault('InvalidCiphertextException', '');
  if (named !== undefined) {
    authorize(named, action, true);
    if (named.id !== keyId) {
      throw new KmsFault(
        'IncorrectKeyException',
        'The key ID in the request does not identify a CMK that can perform this operation.',
      );
    }
  }
  const key = state.keys.get(keyId);
  // For a key of another account, the error is also AccessDenied.
  if (key === undefined) throw unknownOrDenied();
  return { key: usable(key, action, false), ciphertext };
}

/** @throws KmsFault InvalidCiphertextException for a damaged ciphertext and for another context alike. */
function opened({ key, ciphertext }: Source, context: Context): Buffer {
  if (ciphertext === undefined) return Buffer.alloc(0);
  const plaintext = open(key.id, key.material, ciphertext, context);
  if (plaintext === undefined) throw new KmsFault('InvalidCiphertextException', '');
  return plaintext;
}

function usable(key: KmsKey, action: KmsAction, wasNamed: boolean): KmsKey {
  authorize(key, action, wasNamed);
  expectEnabled(key);
  return key;
}

/** 64 hexadecimal characters, as AWS's. */
function materialIdOf({ material }: KmsKey): string {
  return createHash('sha256').update('material').update(material).digest('hex');
}

function metadata(key: KmsKey): unknown {
  return {
    AWSAccountId: ACCOUNT,
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
