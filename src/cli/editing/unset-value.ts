import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../../tokens.js';
import type { Console } from '../console.js';
import { readManifest, writeManifest } from '../files/manifest-store.js';
import { chooseResource } from '../files/resource-choice.js';

export interface UnsetRequest {
  readonly file: string;
  readonly key: string;
  /** From `--resource`. */
  readonly resource?: string | undefined;
}

/** Takes an item out of a file. */
@injectable()
export class UnsetValue {
  constructor(@inject(TOKENS.console) private readonly console: Console) {}

  /** @throws AuthorError; the file is as it was then. */
  async run({ file: path, key, resource: wanted }: UnsetRequest): Promise<void> {
    const file = await readManifest(path);
    const resource = chooseResource(file, wanted, key);
    resource.removeItem(key);
    await writeManifest(file);
    this.console.note(`removed ${key} of ${resource.title}`);
  }
}
