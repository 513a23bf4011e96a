import { DecryptCommand, EncryptCommand, ReEncryptCommand } from '@aws-sdk/client-kms';
import type { ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-kms';
import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../api/resources.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { readCiphertext } from './ciphertext.js';
import { contextMember } from './kms-client.js';
import type { KmsCommand, KmsConnection } from './kms-connection.js';
import { KmsError } from './kms-error.js';
import { keyFailure, type KeyOperation } from './key-failures.js';
import { PacedRequests } from './paced-requests.js';

/** Limit of `Plaintext` (AWS KMS API reference, Encrypt). */
export const MAX_PLAINTEXT_BYTES = 4_096;

export interface EncryptRequest {
  /** Id, ARN or alias of a symmetric key. */
  readonly keyId: string;
  /** 1 to {@link MAX_PLAINTEXT_BYTES} bytes. */
  readonly plaintext: Uint8Array;
  readonly context: EncryptionContext;
}

export interface ReEncryptRequest {
  /** Base64, as in the resource. */
  readonly encryptedSecret: string;
  /** What it was encrypted with. */
  readonly context: EncryptionContext;
  /** Id, ARN or alias of the new key. */
  readonly toKeyId: string;
  /** {@link context} when absent. */
  readonly toContext?: EncryptionContext;
}

export interface ReEncrypted {
  /** Base64 of the new ciphertext. */
  readonly encryptedSecret: string;
  /** ARN of the key that encrypted it before. */
  readonly sourceKeyArn: string;
  /** ARN of the key that encrypts it now. */
  readonly keyArn: string;
}

/**
 * The operations of KMS that make ciphertexts. They are safe to call concurrently, wait while a quota is exhausted, and
 * retry momentary failures.
 */
export interface KeyApi {
  /**
   * @returns base64 of the ciphertext.
   * @throws KmsError
   */
  encrypt(request: EncryptRequest, signal?: AbortSignal): Promise<string>;
  /**
   * Encrypts with another key, or another context, within KMS: the plaintext never leaves it.
   *
   * @throws KmsError
   */
  reEncrypt(request: ReEncryptRequest, signal?: AbortSignal): Promise<ReEncrypted>;
  /**
   * The ARN of the key that encrypted a ciphertext, as KMS reports it when it decrypts; the plaintext is wiped.
   *
   * @throws KmsError
   */
  keyOf(encryptedSecret: string, context: EncryptionContext, signal?: AbortSignal): Promise<string>;
}

/** {@link KeyApi} of AWS KMS. */
@injectable()
export class AwsKeyApi implements KeyApi {
  private readonly requests: PacedRequests;

  constructor(
    @inject(TOKENS.kmsConnection) private readonly connection: KmsConnection,
    @inject(TOKENS.clock) clock: Clock,
    @inject(TOKENS.maxConcurrentKmsRequests) maxConcurrentRequests: number,
  ) {
    this.requests = new PacedRequests(clock, maxConcurrentRequests);
  }

  async encrypt({ keyId, plaintext, context }: EncryptRequest, signal?: AbortSignal): Promise<string> {
    const input = {
      KeyId: keyId,
      Plaintext: plaintext,
      ...contextMember('EncryptionContext', context),
    };
    const answer = await this.send({ name: 'Encrypt', keyId }, () => new EncryptCommand(input), signal);
    return base64Of(answer.CiphertextBlob);
  }

  async reEncrypt(
    { encryptedSecret, context, toKeyId, toContext = context }: ReEncryptRequest,
    signal?: AbortSignal,
  ): Promise<ReEncrypted> {
    const input = {
      CiphertextBlob: readCiphertext(encryptedSecret),
      DestinationKeyId: toKeyId,
      ...contextMember('SourceEncryptionContext', context),
      ...contextMember('DestinationEncryptionContext', toContext),
    };
    const operation = { name: 'ReEncrypt', keyId: toKeyId } as const;
    const answer = await this.send(operation, () => new ReEncryptCommand(input), signal);
    return {
      encryptedSecret: base64Of(answer.CiphertextBlob),
      sourceKeyArn: answer.SourceKeyId ?? '',
      keyArn: answer.KeyId ?? '',
    };
  }

  async keyOf(encryptedSecret: string, context: EncryptionContext, signal?: AbortSignal): Promise<string> {
    const input = {
      CiphertextBlob: readCiphertext(encryptedSecret),
      ...contextMember('EncryptionContext', context),
    };
    const answer = await this.send({ name: 'Decrypt' }, () => new DecryptCommand(input), signal);
    answer.Plaintext?.fill(0);
    return answer.KeyId ?? '';
  }

  private async send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    operation: KeyOperation,
    command: () => KmsCommand<Input, Output>,
    signal?: AbortSignal,
  ): Promise<Output> {
    try {
      return await this.requests.run(() => this.connection.send(command(), signal), signal);
    } catch (error) {
      throw error instanceof KmsError ? keyFailure(error, operation) : error;
    }
  }
}

function base64Of(ciphertext: Uint8Array | undefined): string {
  if (ciphertext === undefined || ciphertext.length === 0) {
    throw new KmsError('transient', 'EmptyAnswer', 'KMS answered without a ciphertext');
  }
  return Buffer.from(ciphertext).toString('base64');
}
