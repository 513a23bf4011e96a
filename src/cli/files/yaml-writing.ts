import type { Scalar } from 'yaml';

/** What is written into a file: texts, booleans, mappings and lists of them. */
export type Writable = string | boolean | readonly Writable[] | { readonly [name: string]: Writable };

export type Quoting = 'plain' | 'single' | 'double';

/** How the texts of some fields are quoted around here; the others are quoted only where they must be. */
export type QuotingOf = (field: string) => Quoting;

/** A text that every version of YAML reads as this text without quotes. */
const PLAIN = /^[A-Za-z_/](?:[A-Za-z0-9_.+/=-]*[A-Za-z0-9_+/=-])?$/;
/** Words that some version of YAML reads as something else. */
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null|nan|inf)$/i;
/** Line breaks of YAML 1.1 and what a printed file must not hold. */
const ESCAPED = /[\u007f-\u00a0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]/gu;

/** The scalar for a text; in single quotes only where it fits on one line as it is. */
export function scalar(text: string, quoting: Quoting = 'plain'): string {
  if (quoting === 'plain' && PLAIN.test(text) && !WORDS.test(text)) return text;
  if (quoting === 'single' && /^[ -~]*$/.test(text)) return `'${text.replaceAll("'", "''")}'`;
  return JSON.stringify(text).replace(
    ESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function quotingOf(node: Scalar | undefined): Quoting {
  if (node?.type === 'QUOTE_DOUBLE') return 'double';
  return node?.type === 'QUOTE_SINGLE' ? 'single' : 'plain';
}

/** One line, between braces or brackets. */
export function flow(value: Writable, quoting: Quoting = 'plain'): string {
  if (typeof value === 'string') return scalar(value, quoting);
  if (typeof value === 'boolean') return String(value);
  if (isList(value)) return `[${value.map((item) => flow(item, quoting)).join(', ')}]`;
  const pairs = Object.entries(value).map(
    ([name, inner]) => `${scalar(name, quoting)}: ${flow(inner, quoting)}`,
  );
  return `{${pairs.join(', ')}}`;
}

export interface BlockStyle {
  readonly quoting: QuotingOf;
  /** How far the dash of a list stands to the right of the key that it belongs to. */
  readonly dashOffset: number;
  /** What stands between the dash and the item. */
  readonly gap: string;
}

/** Lines of a key and its value, without line breaks; `column` is where the key begins, from 0. */
export function blockPair(name: string, value: Writable, column: number, style: BlockStyle): string[] {
  const start = `${' '.repeat(column)}${scalar(name)}:`;
  if (typeof value === 'string') return [`${start} ${scalar(value, style.quoting(name))}`];
  if (typeof value === 'boolean') return [`${start} ${String(value)}`];
  if (isList(value)) {
    const dash = column + style.dashOffset;
    return [
      start,
      ...value.flatMap((item) => blockItem(item as { readonly [field: string]: Writable }, dash, style)),
    ];
  }
  return [start, ...blockMap(value, column + 2, style)];
}

/** Lines of an item of a list, which is a mapping with at least one pair. */
export function blockItem(
  item: { readonly [field: string]: Writable },
  dashColumn: number,
  style: BlockStyle,
): string[] {
  const lead = `${' '.repeat(dashColumn)}-${style.gap}`;
  const [first = '', ...rest] = blockMap(item, lead.length, style);
  return [lead + first.trimStart(), ...rest];
}

function blockMap(map: { readonly [field: string]: Writable }, column: number, style: BlockStyle): string[] {
  return Object.entries(map).flatMap(([name, value]) => blockPair(name, value, column, style));
}

function isList(value: Writable): value is readonly Writable[] {
  return Array.isArray(value);
}
