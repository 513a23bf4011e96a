import { inject, injectable } from 'tsyringe';

import { printable } from '../../api/printable.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import type { ManifestFile } from '../files/manifest-file.js';
import type { ManifestResource } from '../files/manifest-resource.js';
import { readManifest } from '../files/manifest-store.js';
import { chooseResource, hasItem } from '../files/resource-choice.js';
import type { ItemReader, ReadItem } from './item-reader.js';

export interface ViewRequest {
  readonly file: string;
  readonly key?: string | undefined;
  readonly reveal?: boolean | undefined;
  /** From `--resource`. */
  readonly resource?: string | undefined;
}

/** Tells nothing of the value, not even its length. */
const MASK = '********';

/** Shows the items of a file, with their values on request. */
@injectable()
export class ViewValues {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.itemReader) private readonly reader: ItemReader,
  ) {}

  /**
   * @returns the exit code: 1 when an item cannot be decrypted.
   * @throws AuthorError, KmsError
   */
  async run({ file: path, key, reveal = false, resource: wanted }: ViewRequest): Promise<number> {
    const file = await readManifest(path);
    if (key !== undefined) return await this.one(file, chooseResource(file, wanted, key), key, reveal);
    const isOne = wanted !== undefined || file.resources.length <= 1;
    const resources = isOne ? [chooseResource(file, wanted)] : file.resources;
    let code = 0;
    for (const [index, resource] of resources.entries()) {
      if (index > 0) this.console.print('');
      this.console.print(this.console.colour('bold', printable(resource.title)));
      const items = await this.reader.read(file, resource);
      if (items.length === 0) this.console.print('  (no items)');
      for (const item of items) this.show(item, reveal);
      if (items.some(({ kind }) => kind === 'failed')) code = 1;
    }
    return code;
  }

  private async one(
    file: ManifestFile,
    resource: ManifestResource,
    key: string,
    reveal: boolean,
  ): Promise<number> {
    if (!hasItem(resource, key))
      throw new AuthorError(`${resource.title} has no item ${JSON.stringify(key)}`);
    const [item] = await this.reader.read(file, resource, key);
    if (item === undefined) return 1;
    if (!reveal) this.show(item, false);
    else if (item.kind === 'failed')
      throw new AuthorError(`${key} cannot be decrypted with ${item.context}: ${item.problem}`);
    else if (item.kind === 'undefined') throw new AuthorError(`${key} has no value`);
    // The value as it is, so that it can be piped.
    else this.console.value(item.kind === 'empty' ? '' : item.value);
    return item.kind === 'failed' ? 1 : 0;
  }

  private show(item: ReadItem, reveal: boolean): void {
    const name = `  ${printable(item.key)}:`;
    const say = (text: string, about = ''): void => {
      this.console.print(
        `${name} ${text}${about === '' ? '' : this.console.colour('dim', `  # ${printable(about)}`)}`,
      );
    };
    switch (item.kind) {
      case 'empty':
        say('""', 'empty');
        break;
      case 'undefined':
        say('', 'no value: the operator skips it');
        break;
      case 'failed':
        say(this.console.colour('red', `! ${item.problem}`), item.context);
        break;
      case 'value':
        if (reveal && item.value.includes('\n')) {
          say('|', item.context);
          for (const line of item.value.replace(/\n$/, '').split('\n')) this.console.print(`    ${line}`);
        } else say(reveal ? item.value : MASK, item.context);
    }
  }
}
