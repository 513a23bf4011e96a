import { basename } from 'node:path';

import { inject, injectable } from 'tsyringe';

import { OperatorError } from '../../api/errors.js';
import { TOKENS } from '../../tokens.js';
import { AuthorError } from '../author-error.js';
import type { Console } from '../console.js';
import type { ItemValue } from '../files/item-values.js';
import { readManifest, writeManifest } from '../files/manifest-store.js';
import { chooseResource } from '../files/resource-choice.js';
import { askAgain } from './ask-again.js';
import type { Editor } from './editor.js';
import { editableText, editedValues } from './edited-values.js';
import type { ItemReader, ReadItem } from './item-reader.js';
import { PrivateFolder } from './private-folder.js';
import { WipeGuard } from './wipe-guard.js';
import type { ValueEncryption } from './value-encryption.js';

export interface EditRequest {
  readonly file: string;
  readonly keyId?: string | undefined;
  /** From `--resource`. */
  readonly resource?: string | undefined;
}

/** What the author did to the values. */
interface Edits {
  readonly changed: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

/** Lets the author change the values of a resource in an editor. */
@injectable()
export class EditValues {
  constructor(
    @inject(TOKENS.console) private readonly console: Console,
    @inject(TOKENS.environment) private readonly environment: Readonly<Record<string, string | undefined>>,
    @inject(TOKENS.stdin) private readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean },
    @inject(TOKENS.itemReader) private readonly reader: ItemReader,
    @inject(TOKENS.editor) private readonly editor: Editor,
    @inject(TOKENS.valueEncryption) private readonly encryption: ValueEncryption,
  ) {}

  /** @throws AuthorError, KmsError; the file is as it was then, and no plaintext is left. */
  async run(request: EditRequest): Promise<void> {
    const file = await readManifest(request.file);
    const resource = chooseResource(file, request.resource);
    const items = await this.reader.read(file, resource);
    const guard = new WipeGuard(() => this.editor.stop());
    try {
      const folder = PrivateFolder.create(this.environment);
      guard.folder = folder;
      if (!folder.isInMemory) {
        this.console.warn(
          `there is no file system in memory, so the values are on the disk in ${folder.path} until the editor ends`,
        );
      }
      const name = `${basename(request.file).replace(/\.[^.]*$/, '')}.yaml`;
      const path = folder.write(name, editableText(resource.title, request.file, items));
      await this.editUntilDone(request, items, async () => {
        await this.editor.open(path, folder.path);
        const bytes = folder.read(name);
        if (bytes === undefined)
          throw new AuthorError('the editor has removed the file; nothing was changed');
        return bytes;
      });
    } finally {
      guard.end();
    }
  }

  private async editUntilDone(
    request: EditRequest,
    items: readonly ReadItem[],
    edit: () => Promise<Uint8Array>,
  ): Promise<void> {
    for (;;) {
      const bytes = await edit();
      try {
        await this.apply(request, editsOf(items, editedValues(textOf(bytes))));
        return;
      } catch (error) {
        if (!(error instanceof AuthorError || error instanceof OperatorError)) throw error;
        if (this.stdin.isTTY !== true) throw error;
        this.console.error(error.message);
        if (!(await askAgain(this.console.terminal(this.stdin))))
          throw new AuthorError('nothing was changed');
      }
    }
  }

  private async apply(request: EditRequest, { changed, removed }: Edits): Promise<void> {
    if (changed.size === 0 && removed.length === 0) {
      this.console.note('no value was changed');
      return;
    }
    // It may have been changed while the editor was open.
    const file = await readManifest(request.file);
    const resource = chooseResource(file, request.resource);
    const values = new Map<string, ItemValue>();
    const notes: string[] = [];
    const texts = [...changed].filter(([, value]) => value !== '');
    for (const [key, value] of changed) {
      if (value !== '') continue;
      values.set(key, { emptySecret: true });
      notes.push(`${key} of ${resource.title}: an empty value`);
    }
    if (texts.length > 0) {
      const plan = await this.encryption.plan(resource, request.file, request.keyId);
      const encrypted = await Promise.all(
        texts.map(async ([key, value]) => {
          const bytes = Buffer.from(value);
          try {
            return { key, ...(await this.encryption.encrypt(plan, key, bytes)) };
          } finally {
            bytes.fill(0);
          }
        }),
      );
      for (const { key, value, how } of encrypted) {
        values.set(key, value);
        notes.push(`${key} of ${resource.title}: ${how}`);
      }
    }
    // In the order in which they are in the text.
    resource.setItems(new Map([...changed.keys()].flatMap((key) => pairIn(values, key))));
    for (const key of removed) resource.removeItem(key);
    await writeManifest(file);
    for (const note of notes) this.console.note(`set ${note}`);
    for (const key of removed) this.console.note(`removed ${key} of ${resource.title}`);
  }
}

function pairIn<V>(values: ReadonlyMap<string, V>, key: string): [string, V][] {
  const value = values.get(key);
  return value === undefined ? [] : [[key, value]];
}

/** @throws AuthorError for what an editor leaves when it fails, or writes in another encoding. */
function textOf(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AuthorError('the text is not UTF-8: save it as UTF-8');
  }
  if (text.trim() === '') {
    throw new AuthorError(
      'the text is empty; nothing was changed. To remove all items, keep one of the comments',
    );
  }
  return text;
}

/** Compares what was shown with what the author left. */
function editsOf(items: readonly ReadItem[], values: ReadonlyMap<string, string>): Edits {
  const shown = new Map<string, string>();
  for (const item of items) {
    if (item.kind === 'empty') shown.set(item.key, '');
    if (item.kind === 'value') shown.set(item.key, item.value);
  }
  return {
    changed: new Map([...values].filter(([key, value]) => shown.get(key) !== value)),
    removed: [...shown.keys()].filter((key) => !values.has(key)),
  };
}
