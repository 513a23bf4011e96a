import type { EncryptionContext } from '../../api/resources.js';
import type { KeyApi } from '../../kms/key-api.js';
import { KmsError } from '../../kms/kms-error.js';
import { sharedAbort } from '../../runtime/abort.js';
import { pairsText } from '../keys/effective-context.js';
import type { PossibleContexts } from './context-givers.js';

export type Outcome =
  | { readonly state: 'moved'; readonly encryptedSecret: string; readonly keyArn: string }
  | { readonly state: 'already'; readonly keyArn: string }
  | { readonly state: 'failed'; readonly problem: string }
  | { readonly state: 'untried' };

/** Moves ciphertexts to one key within KMS. After the first outage KMS is not asked any more. */
export class ReEncryption {
  private readonly lost = sharedAbort();
  private reason: KmsError | undefined;

  constructor(
    private readonly keys: Pick<KeyApi, 'reEncrypt'>,
    private readonly toKeyId: string,
  ) {}

  /** Why KMS could not be asked. */
  get outage(): KmsError | undefined {
    return this.reason;
  }

  /** Keeps the context that KMS accepts. Never throws a KmsError. */
  async move(encryptedSecret: string, { contexts, giverIsMissing }: PossibleContexts): Promise<Outcome> {
    let rejected: KmsError | undefined;
    for (const context of contexts) {
      try {
        return await this.moveWith(encryptedSecret, context);
      } catch (error) {
        if (!(error instanceof KmsError)) throw error;
        if (error.isOutage) {
          this.reason ??= error;
          this.lost.abort();
          return { state: 'untried' };
        }
        if (error.code !== 'InvalidCiphertext') return { state: 'failed', problem: error.message };
        rejected = error;
      }
    }
    const tried = contexts.map((context) => pairsText(context) || 'none').join('; ');
    const hint = giverIsMissing
      ? ': no resource that includes the partial is among the files, so name those files, too'
      : '';
    return { state: 'failed', problem: `${rejected?.message ?? ''}; contexts tried: ${tried}${hint}` };
  }

  private async moveWith(encryptedSecret: string, context: EncryptionContext): Promise<Outcome> {
    const { toKeyId } = this;
    const answer = await this.keys.reEncrypt({ encryptedSecret, context, toKeyId }, this.lost.signal);
    const { keyArn, sourceKeyArn } = answer;
    // The new ciphertext would be as good as the old one, but the file would change at every run.
    if (sourceKeyArn === keyArn) return { state: 'already', keyArn };
    return { state: 'moved', encryptedSecret: answer.encryptedSecret, keyArn };
  }
}
