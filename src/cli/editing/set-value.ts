import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../../api/resources.js';
import type { KeyApi } from '../../kms/key-api.js';
import { TOKENS } from '../../tokens.js';
import type { Console } from '../console.js';
import type { ItemValue } from '../files/item-values.js';
import type { ManifestResource } from '../files/manifest-resource.js';
import { readManifest, writeManifest } from '../files/manifest-store.js';
import { chooseResource, hasItem } from '../files/resource-choice.js';
import { type CreationRule, creationRuleFor } from '../keys/creation-rules.js';
import { contextText, effectiveContext, pairsText, sameContext } from '../keys/effective-context.js';
import type { KeyRules } from '../keys/key-rules.js';
import { checkPlaintext, endsWithLineBreak } from './plaintext-check.js';
import type { ValueInput, ValueSource } from './value-input.js';

export interface SetRequest {
  readonly file: string;
  readonly key: string;
  readonly source: ValueSource;
  /** From `--context`; undefined: that of the item, the resource or the rules. */
  readonly context?: EncryptionContext | undefined;
  readonly keyId?: string | undefined;
  /** From `--resource`. */
  readonly resource?: string | undefined;
}

/** The context for a new ciphertext, and whether the item must name it. */
interface NewContext {
  readonly context: EncryptionContext;
  readonly isOfItem: boolean;
  readonly text: string;
}

/** Encrypts a value and writes the ciphertext into a file. */
@injectable()
export class SetValue {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.keyApi) private readonly keys: Pick<KeyApi, 'encrypt'>,
    @inject(TOKENS.keyRules) private readonly rules: KeyRules,
    @inject(TOKENS.valueInput) private readonly input: ValueInput,
  ) {}

  /** @throws AuthorError, KmsError; the file is as it was then. */
  async run(request: SetRequest): Promise<void> {
    const { file: path, key, source } = request;
    const file = await readManifest(path);
    const resource = chooseResource(file, request.resource, key);
    const verb = hasItem(resource, key) ? 'changed' : 'added';
    const bytes = await this.input.read(key, source);
    let how: string;
    if (bytes === undefined) {
      resource.setItem(key, { emptySecret: true });
      how = 'an empty value';
    } else {
      try {
        how = await this.encrypt(resource, request, bytes);
      } finally {
        bytes.fill(0);
      }
    }
    await writeManifest(file);
    this.console.note(`${verb} ${key} of ${resource.title}: ${how}`);
  }

  private async encrypt(resource: ManifestResource, request: SetRequest, bytes: Uint8Array): Promise<string> {
    const { file: path, key, keyId: option } = request;
    checkPlaintext(`the value of ${key}`, bytes);
    if (endsWithLineBreak(bytes)) {
      this.console.warn(
        `the value of ${key} is one line with a line break at its end, which becomes a part of it: was that intended?`,
      );
    }
    const rule = await creationRuleFor(path);
    const { keyId, from } = await this.rules.choose(resource, { option, rule });
    const chosen = this.contextFor(resource, request, rule);
    const encryptedSecret = await this.keys.encrypt({ keyId, plaintext: bytes, context: chosen.context });
    const value: ItemValue = {
      encryptedSecret,
      ...(chosen.isOfItem ? { secretContext: chosen.context } : {}),
    };
    resource.setItem(key, value);
    return `encrypted with ${keyId} (from ${from}) and ${chosen.text}`;
  }

  private contextFor(
    resource: ManifestResource,
    { key, context }: SetRequest,
    rule?: CreationRule,
  ): NewContext {
    const effective = effectiveContext(resource, key);
    const isFree = effective.from === 'includer' || effective.from === 'nobody';
    const wanted = context ?? (isFree ? rule?.context : undefined);
    if (wanted !== undefined && !sameContext(wanted, effective.context)) {
      const by = context === undefined ? ` (from ${rule?.file ?? ''})` : '';
      return {
        context: wanted,
        isOfItem: true,
        text: `the context ${pairsText(wanted)}${by}, written as the item's own`,
      };
    }
    if (effective.from === 'includer') {
      this.console.warn(
        `${resource.title} has no secretContext, so ${key} is decrypted with the context of each resource that includes ` +
          'it, and was encrypted without one: give --context, unless none of them has a context',
      );
    }
    return { context: effective.context, isOfItem: false, text: contextText(effective) };
  }
}
