import { inject, injectable } from 'tsyringe';

import type { KeyApi } from '../../kms/key-api.js';
import { KmsError } from '../../kms/kms-error.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import { itemsIn, type ManifestResource, record } from '../files/manifest-resource.js';
import type { CreationRule } from './creation-rules.js';
import { effectiveContext } from './effective-context.js';

/** The annotation of a resource that names its KMS key. */
export const KEY_ID_ANNOTATION = 'kms-vault.patoarvizu.dev/key-id';

/** The key that a value is encrypted with, and who says so. */
export interface ChosenKey {
  readonly keyId: string;
  /** For messages: `--key-id`, `the annotation …`, a file, `the item …`. */
  readonly from: string;
}

/** Which KMS key a value of a resource is encrypted with. */
@injectable()
export class KeyRules {
  constructor(@inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'keyOf'>) {}

  /**
   * The first of: the option, the annotation of the resource, the rule of `.kms-vault.yaml`, the key of the resource's
   * other ciphertexts as KMS reports it.
   *
   * @throws AuthorError when none of them names a key.
   */
  async choose(
    resource: ManifestResource,
    { option, rule }: { readonly option?: string | undefined; readonly rule?: CreationRule | undefined },
  ): Promise<ChosenKey> {
    if (option !== undefined) return { keyId: option, from: '--key-id' };
    const annotated = resource.annotation(KEY_ID_ANNOTATION);
    if (annotated !== undefined && annotated !== '') {
      return { keyId: annotated, from: `the annotation ${KEY_ID_ANNOTATION}` };
    }
    if (rule?.keyId !== undefined) return { keyId: rule.keyId, from: rule.file };
    return await this.ofOtherItems(resource);
  }

  private async ofOtherItems(resource: ManifestResource): Promise<ChosenKey> {
    let refused: string | undefined;
    for (const item of itemsIn(resource.object)) {
      const { key, encryptedSecret } = record(item);
      if (typeof key !== 'string' || typeof encryptedSecret !== 'string' || encryptedSecret === '') continue;
      try {
        const { context } = effectiveContext(resource, key);
        return {
          keyId: await this.keys.keyOf(encryptedSecret, context),
          from: `the item ${JSON.stringify(key)}`,
        };
      } catch (error) {
        // Without an answer of KMS there is none for the others either.
        if (!(error instanceof KmsError) || error.isOutage) throw error;
        refused ??= `; its items do not tell either: ${JSON.stringify(key)}: ${error.message}`;
      }
    }
    throw new AuthorError(
      `no KMS key is known for ${resource.title}: give --key-id, set the annotation ${KEY_ID_ANNOTATION}, or write a ` +
        `rule into .kms-vault.yaml${refused ?? ''}`,
    );
  }
}
