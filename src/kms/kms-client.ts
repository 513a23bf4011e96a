import { DecryptCommand } from '@aws-sdk/client-kms';
import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../api/resources.js';
import { TOKENS } from '../tokens.js';
import type { KmsConnection } from './kms-connection.js';

/** The only KMS call of the operator and the webhook. */
export interface KmsApi {
  /**
   * @returns the plaintext bytes; the caller zeroes them.
   * @throws KmsError; no other error leaves, and none carries a request.
   */
  decrypt(ciphertext: Uint8Array, context: EncryptionContext, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Decrypt of AWS KMS. */
@injectable()
export class AwsKmsApi implements KmsApi {
  constructor(@inject(TOKENS.kmsConnection) private readonly connection: KmsConnection) {}

  async decrypt(
    ciphertext: Uint8Array,
    context: EncryptionContext,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const input = { CiphertextBlob: ciphertext, ...contextMember('EncryptionContext', context) };
    const answer = await this.connection.send(new DecryptCommand(input), signal);
    return answer.Plaintext ?? new Uint8Array();
  }

  close(): void {
    this.connection.close();
  }
}

/** The member of a request that holds a context; an empty one is not sent. */
export function contextMember<Name extends string>(
  name: Name,
  context: EncryptionContext,
): { readonly [member in Name]?: Record<string, string> } {
  if (Object.keys(context).length === 0) return {};
  return { [name]: { ...context } } as { readonly [member in Name]?: Record<string, string> };
}
