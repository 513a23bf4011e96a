import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';

import { ManifestFile } from '../../../../src/cli/files/manifest-file.js';

/** Ciphertexts of KMS begin alike, with a letter. */
const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => `AQIC${Buffer.from(bytes).toString('base64')}`);
const key = fc
  .stringMatching(/^[a-z][a-z0-9.-]{0,12}$/)
  .filter((name) => !['y', 'n', 'on', 'off', 'no', 'yes'].includes(name));
const comment = fc.constantFrom('', ' # why', '   #\ttab', ' # key: x');

type Style = (ciphertext: string, indent: string, eol: string) => string;
const style = fc.constantFrom<Style>(
  (text) => text,
  (text) => `"${text}"`,
  (text) => `'${text}'`,
  (text) => `&anchor ${text}`,
  (text, indent, eol) =>
    `|-${eol}${(text.match(/.{1,16}/g) ?? []).map((line) => `${indent}  ${line}`).join(eol)}`,
  (text, indent, eol) => `>-${eol}${indent}  ${text}`,
  (text, indent, eol) => `|${eol}${indent}    ${text}`,
);

interface Item {
  readonly key: string;
  readonly ciphertext: string;
  readonly style: Style;
  readonly comment: string;
  readonly before: string;
  readonly isFlow: boolean;
}

const item: fc.Arbitrary<Item> = fc.record({
  key,
  ciphertext: base64,
  style,
  comment,
  before: fc.constantFrom('', '# note', '\t', ' '),
  isFlow: fc.boolean(),
});

const layout = fc.record({
  items: fc.uniqueArray(item, { selector: ({ key: name }) => name, minLength: 1, maxLength: 6 }),
  eol: fc.constantFrom('\n', '\r\n'),
  offset: fc.constantFrom(0, 2, 4),
  gap: fc.constantFrom(' ', '   '),
  before: fc.constantFrom('', '# first\n---\n', 'kind: ConfigMap\ndata:\n  key: a\n---\n', '\ufeff'),
  after: fc.constantFrom('', '\n', '\n# end', '\n---\nkind: ConfigMap\n', '\n\n\n'),
  context: fc.constantFrom('', '  secretContext: {app: web}\n'),
});

type Layout = typeof layout extends fc.Arbitrary<infer T> ? T : never;

/** The text around the ciphertext of the item that will be changed, and that ciphertext as it is written. */
function write(
  { items, eol, offset, gap, before, after, context }: Layout,
  changed: number,
): readonly [string, string, string] {
  const dash = ' '.repeat(2 + offset);
  const column = `${dash} ${gap}`;
  const parts: [string, string, string] = ['', '', ''];
  let part = 0;
  const add = (text: string): void => {
    parts[part] += text;
  };
  const lines = (text: string): string => text.replaceAll('\n', eol);
  add(lines(`${before}kind: KMSVaultSecret\nspec:\n${context}  secrets:`));
  items.forEach(
    ({ key: name, ciphertext, style: written, comment: behind, before: above, isFlow }, index) => {
      // A comment behind a block would be a part of it.
      const text = isFlow ? `"${ciphertext}"` : written(ciphertext, column, eol);
      add(eol);
      if (above.startsWith('#')) add(`${dash}${above}${eol}`);
      add(
        isFlow
          ? `${dash}-${gap}{key: ${name}, encryptedSecret: `
          : `${dash}-${gap}key: ${name}${behind}${eol}${column}encryptedSecret: `,
      );
      if (index === changed) part = 1;
      add(text);
      if (index === changed) part = 2;
      if (isFlow) add('}');
      if (!/[|>]/.test(text)) add(behind);
    },
  );
  add(lines(after));
  return parts;
}

const objects = (text: string): unknown[] => {
  const documents = parseAllDocuments(text);
  return Array.isArray(documents) ? documents.map((document) => document.toJS() as unknown) : [];
};

describe('setItem', () => {
  it('changes only the ciphertext, for any layout', () => {
    fc.assert(
      fc.property(layout, fc.nat(), base64, (shape, pick, next) => {
        const changed = pick % shape.items.length;
        const [start, old, end] = write(shape, changed);
        const file = ManifestFile.parse('web.yaml', start + old + end);
        expect(file.problems).toEqual([]);
        file.resources[0]?.setItem(shape.items[changed]?.key ?? '', { encryptedSecret: next });
        expect(file.text.startsWith(start)).toBe(true);
        expect(file.text.endsWith(end)).toBe(true);
        const written = file.text.slice(start.length, file.text.length - end.length);
        expect(written.replace(/\s/g, '')).toContain(next);
        // In the same style: what is left without the ciphertext is the same.
        const rest = (text: string): string => text.replace(/[A-Za-z0-9+/=]{4,}|\s/g, '');
        expect(rest(written)).toBe(rest(old));
      }),
      { numRuns: 300 },
    );
  });

  it('appends an item and changes nothing else, for any layout', () => {
    fc.assert(
      fc.property(layout, fc.string({ minLength: 1, unit: 'grapheme' }), base64, (shape, name, next) => {
        fc.pre(!shape.items.some(({ key: other }) => other === name));
        const text = write(shape, -1).join('');
        const file = ManifestFile.parse('web.yaml', text);
        file.resources[0]?.setItem(name, { encryptedSecret: next, secretContext: { [name]: name } });
        let at = 0;
        while (at < text.length && text[at] === file.text[at]) at += 1;
        // The old text is there without a gap, around what is new.
        const added = file.text.length - text.length;
        const cuts = Array.from({ length: at + 1 }, (_, index) => at - index);
        expect(cuts.some((cut) => file.text.slice(0, cut) + file.text.slice(cut + added) === text)).toBe(
          true,
        );
        const secrets = objects(file.text).flatMap(
          (object) => (object as { spec?: { secrets?: unknown[] } } | null)?.spec?.secrets ?? [],
        );
        expect(secrets.at(-1)).toEqual({ key: name, encryptedSecret: next, secretContext: { [name]: name } });
      }),
      { numRuns: 300 },
    );
  });
});
