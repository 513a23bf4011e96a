import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { ManifestFile } from '../../../../src/cli/files/manifest-file.js';

const FOLDER = join(import.meta.dirname, 'awkward');
const VALUE = { encryptedSecret: 'bmV3IGNpcGhlcnRleHQ=' };

const files = readdirSync(FOLDER).map((name) => ({
  name,
  text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(readFileSync(join(FOLDER, name))),
}));

/** The lines that differ, without those that both have at the start and at the end. */
function difference(before: string, after: string): { readonly removed: string; readonly added: string } {
  let start = 0;
  while (start < before.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before.at(-1 - end) === after.at(-1 - end)
  )
    end += 1;
  return { removed: before.slice(start, before.length - end), added: after.slice(start, after.length - end) };
}

const parse = (text: string): ManifestFile => ManifestFile.parse('web.yaml', text);

const itemsOf = (text: string): readonly { key: string; encryptedSecret?: string }[] =>
  parse(text).resources.flatMap(
    ({ object }) => (object as { spec: { secrets?: { key: string }[] } }).spec.secrets ?? [],
  );

describe.each(files)('the file $name', ({ text }) => {
  it('is read, and given back as it is', () => {
    const file = parse(text);
    expect(file.problems).toEqual([]);
    expect(file.resources.length).toBeGreaterThan(0);
    expect(file.text).toBe(text);
  });

  it('keeps every character that is not of the ciphertext', () => {
    for (const { key } of itemsOf(text)) {
      const file = parse(text);
      const resource = file.resources.find(({ object }) => JSON.stringify(object).includes(`"key":"${key}"`));
      resource?.setItem(key, VALUE);
      const { removed, added } = difference(text, file.text);
      // The ciphertext with its quotes, or the word that says that there is none.
      expect(removed).toMatch(/^[A-Za-z0-9+/=\s"'\\:]*$/);
      expect(added).toMatch(/^[A-Za-z0-9+/=\s"':]*$/);
      expect(
        itemsOf(file.text)
          .find((item) => item.key === key)
          ?.encryptedSecret?.replace(/\s/g, ''),
      ).toBe(VALUE.encryptedSecret);
    }
  });

  it('takes a new item at the end of the list, and is as before when that is removed', () => {
    for (const [index] of parse(text).resources.entries()) {
      const file = parse(text);
      const resource = file.resources[index];
      const count = itemsOf(text).length;
      resource?.setItem('new', VALUE);
      expect(itemsOf(file.text)).toHaveLength(count + 1);
      const added = file.text;
      expect(difference(text, added).removed.trim()).toMatch(/^(?:\}?)$/);
      resource?.removeItem('new');
      expect(itemsOf(file.text)).toHaveLength(count);
      if (itemsOf(text).length > 0) expect(file.text).toBe(text);
    }
  });
});
