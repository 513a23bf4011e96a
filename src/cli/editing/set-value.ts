import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../../api/resources.js';
import { TOKENS } from '../../tokens.js';
import type { Console } from '../console.js';
import type { ManifestResource } from '../files/manifest-resource.js';
import { readManifest, writeManifest } from '../files/manifest-store.js';
import { chooseResource, hasItem } from '../files/resource-choice.js';
import { checkPlaintext } from './plaintext-check.js';
import type { ValueEncryption } from './value-encryption.js';
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

/** Encrypts a value and writes the ciphertext into a file. */
@injectable()
export class SetValue {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.valueEncryption) private readonly encryption: ValueEncryption,
    @inject(TOKENS.valueInput) private readonly input: ValueInput,
  ) {}

  /** @throws AuthorError, KmsError; the file is as it was then. */
  async run(request: SetRequest): Promise<void> {
    const { file: path, key, source } = request;
    // Before the author types a value that could not be written.
    chooseResource(await readManifest(path), request.resource, key);
    const bytes = await this.input.read(key, source);
    // The file may have been changed while the value was typed.
    const file = await readManifest(path);
    const resource = chooseResource(file, request.resource, key);
    const verb = hasItem(resource, key) ? 'changed' : 'added';
    let how = 'an empty value';
    if (bytes === undefined) resource.setItem(key, { emptySecret: true });
    else {
      try {
        how = await this.encrypt(resource, request, bytes);
      } finally {
        bytes.fill(0);
      }
    }
    await writeManifest(file);
    this.console.note(`${verb} ${key} of ${resource.title}: ${how}`);
  }

  private async encrypt(
    resource: ManifestResource,
    { file, key, keyId, context }: SetRequest,
    bytes: Uint8Array,
  ): Promise<string> {
    // Before KMS is asked for the key.
    checkPlaintext(`the value of ${key}`, bytes);
    const plan = await this.encryption.plan(resource, file, keyId);
    const { value, how } = await this.encryption.encrypt(plan, key, bytes, context);
    resource.setItem(key, value);
    return how;
  }
}
