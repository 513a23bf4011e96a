import { isMap, isScalar, type Node, type Pair, parseAllDocuments, Scalar } from 'yaml';

import { printable } from '../../api/printable.js';
import { AuthorError } from '../author-error.js';
import { lineEnd } from '../files/splices.js';
import { endOf, startOf } from '../files/yaml-ranges.js';
import { yamlMessage } from '../files/yaml-source.js';
import { scalar } from '../files/yaml-writing.js';
import type { ReadItem } from './item-reader.js';

/** What the author edits: a comment that explains it, and one line or block for each value. */
export function editableText(title: string, path: string, items: readonly ReadItem[]): string {
  const kept = items.flatMap((item) => {
    if (item.kind === 'failed') return [`#   ${comment(item.key)}: ${comment(item.problem)}`];
    return item.kind === 'undefined' ? [`#   ${comment(item.key)}: it has no value`] : [];
  });
  const head = [
    `# The values of ${comment(title)} in ${comment(path)}.`,
    '# Change, add or remove keys, save, and close the editor. Every value is text, with or without quotes; "" is an',
    '# empty one. Only changed values are encrypted again. A file without a change is not written.',
    ...(kept.length === 0
      ? []
      : ['#', '# These stay as they are, unless you give them a value below:', ...kept]),
  ];
  const lines = items.flatMap((item) => {
    if (item.kind === 'empty') return [`${scalar(item.key)}: ""`];
    return item.kind === 'value' ? valueLines(item.key, item.value) : [];
  });
  return `${[...head, '', ...lines].join('\n')}\n`;
}

/**
 * The values by key.
 *
 * @throws AuthorError that names line and column, and quotes nothing of the text.
 */
export function editedValues(text: string): ReadonlyMap<string, string> {
  // Only texts: a port or a `yes` need no quotes.
  const documents = parseAllDocuments(text, { schema: 'failsafe', prettyErrors: false, logLevel: 'silent' });
  const [document, more] = Array.isArray(documents) ? documents : [];
  if (more !== undefined) throw new AuthorError('the text has several documents: remove the lines with ---');
  const [error] = document?.errors ?? [];
  if (error !== undefined) throw new AuthorError(`${placeIn(text, error.pos[0])}: ${yamlMessage(error)}`);
  const values = new Map<string, string>();
  const root = document?.contents;
  if (root === null || root === undefined || (isScalar(root) && root.source === '')) return values;
  if (!isMap(root)) throw new AuthorError('the text must consist of lines such as "key: value"');
  for (const pair of root.items as Pair[]) values.set(...entryOf(text, pair));
  return values;
}

function entryOf(text: string, { key, value }: Pair): [string, string] {
  const name = textOf(key);
  if (name === undefined || name === '') throw new AuthorError('a key is not a text, or is empty');
  const content = textOf(value);
  const refuse = (problem: string): never => {
    throw new AuthorError(`${placeIn(text, startOf(key as Node))}: ${problem}`);
  };
  if (content === undefined) return refuse('the value is not a text: quote it');
  if ([key, value].some(hasProperty)) {
    refuse('YAML takes a text that begins with & or ! for an anchor or a tag: quote it');
  }
  if (isBeforeComment(text, value)) {
    refuse(
      'YAML takes a # behind a blank for the begin of a comment: quote the value, or remove the comment',
    );
  }
  return [name, content];
}

/** The text of a scalar; empty for a missing one; undefined for anything else. */
function textOf(node: unknown): string | undefined {
  if (node === null) return '';
  if (!isScalar(node)) return undefined;
  return typeof node.value === 'string' ? node.value : '';
}

/** Whether YAML takes the begin of a text for something that is no part of it. */
function hasProperty(node: unknown): boolean {
  return isScalar(node) && (node.anchor !== undefined || node.tag !== undefined);
}

/** Whether a part of the author's text may have been lost: behind quotes, what follows is a comment for sure. */
function isBeforeComment(text: string, node: unknown): boolean {
  if (!isScalar(node) || node.type !== Scalar.PLAIN) return false;
  const end = endOf(node);
  return text.slice(end, lineEnd(text, end)).trimStart().startsWith('#');
}

function placeIn(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `line ${String(before.length)}, column ${String((before.at(-1) ?? '').length + 1)}`;
}

function valueLines(key: string, value: string): string[] {
  const name = scalar(key);
  if (!canBeBlock(value)) return [`${name}: ${oneLine(value)}`];
  const chomping = value.endsWith('\n\n') ? '+' : value.endsWith('\n') ? '' : '-';
  const body = value.replace(/\n$/, '').split('\n');
  return [`${name}: |${chomping}`, ...body.map((line) => (line === '' ? '' : `  ${line}`))];
}

function oneLine(value: string): string {
  return scalar(value, /["\\]/.test(value) ? 'single' : 'plain');
}

/** Several lines that a literal block gives back as they are. */
function canBeBlock(value: string): boolean {
  const lines = value.split('\n');
  const first = lines.find((line) => line !== '') ?? ' ';
  return (
    lines.length > 1 &&
    !/^\s/.test(first) &&
    lines.every((line) => line === '' || line.trim() !== '') &&
    // Other control characters, and what YAML takes for a line break.
    !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]/u.test(value)
  );
}

function comment(text: string): string {
  return printable(text, 1_000);
}
