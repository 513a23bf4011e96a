import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../../api/resources.js';
import type { KeyApi } from '../../kms/key-api.js';
import { TOKENS } from '../../tokens.js';
import type { Console } from '../console.js';
import type { ItemValue } from '../files/item-values.js';
import type { ManifestResource } from '../files/manifest-resource.js';
import { type CreationRule, creationRuleFor } from '../keys/creation-rules.js';
import { contextText, effectiveContext, pairsText, sameContext } from '../keys/effective-context.js';
import type { ChosenKey, KeyRules } from '../keys/key-rules.js';
import { checkPlaintext, endsWithLineBreak } from './plaintext-check.js';

/** What the new ciphertexts of a resource are made with. */
export interface EncryptionPlan {
  readonly resource: ManifestResource;
  readonly key: ChosenKey;
  readonly rule: CreationRule | undefined;
}

export interface EncryptedItem {
  readonly value: ItemValue;
  /** For a note: the key and the context, and where both come from. */
  readonly how: string;
}

interface NewContext {
  readonly context: EncryptionContext;
  /** Whether the item must name it. */
  readonly isOfItem: boolean;
  readonly text: string;
}

/** Makes the ciphertexts of items, with the context that the operator will use. */
@injectable()
export class ValueEncryption {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'encrypt'>,
    @inject(TOKENS.keyRules) private readonly rules: KeyRules,
  ) {}

  /**
   * @param path of the file, for the rules of `.kms-vault.yaml`.
   * @param option the value of `--key-id`.
   * @throws AuthorError, KmsError
   */
  async plan(resource: ManifestResource, path: string, option?: string): Promise<EncryptionPlan> {
    const rule = await creationRuleFor(path);
    return { resource, rule, key: await this.rules.choose(resource, { option, rule }) };
  }

  /**
   * @param bytes the value; see {@link checkPlaintext} for what is refused.
   * @param context the value of `--context`; undefined: that of the item, the resource or the rules.
   * @throws AuthorError, KmsError
   */
  async encrypt(
    { resource, key: { keyId, from }, rule }: EncryptionPlan,
    key: string,
    bytes: Uint8Array,
    context?: EncryptionContext,
  ): Promise<EncryptedItem> {
    checkPlaintext(`the value of ${key}`, bytes);
    if (endsWithLineBreak(bytes)) {
      this.console.warn(
        `the value of ${key} is one line with a line break at its end, which becomes a part of it: was that intended?`,
      );
    }
    const chosen = this.contextFor(resource, key, context, rule);
    const encryptedSecret = await this.keys.encrypt({ keyId, plaintext: bytes, context: chosen.context });
    return {
      value: { encryptedSecret, ...(chosen.isOfItem ? { secretContext: chosen.context } : {}) },
      how: `encrypted with ${keyId} (from ${from}) and ${chosen.text}`,
    };
  }

  private contextFor(
    resource: ManifestResource,
    key: string,
    context: EncryptionContext | undefined,
    rule: CreationRule | undefined,
  ): NewContext {
    const effective = effectiveContext(resource, key);
    const isFree = effective.from !== 'item' && effective.from !== 'resource';
    const wanted = context ?? (isFree ? rule?.context : undefined);
    if (wanted !== undefined && !sameContext(wanted, effective.context)) {
      const by = context === undefined ? ` (from ${rule?.file ?? ''})` : '';
      const text = `the context ${pairsText(wanted)}${by}, written as the item's own`;
      return { context: wanted, isOfItem: true, text };
    }
    if (effective.from === 'includer') {
      this.console.warn(
        `${resource.title} has no secretContext, so ${key} is decrypted with the context of each resource that includes ` +
          'it, and was encrypted without one: give --context, unless none of them has a context',
      );
    }
    if (effective.from === 'base') {
      this.console.warn(
        `${resource.title} has no path and no secretContext, as a patch for kustomize; ${key} is decrypted with the ` +
          'context of the resource that it changes, and was encrypted without one: give --context, unless that ' +
          'resource has no context',
      );
    }
    return { context: effective.context, isOfItem: false, text: contextText(effective) };
  }
}
