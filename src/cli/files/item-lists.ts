import {
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import { AuthorError } from '../author-error.js';
import { type ItemValue, pairAdded, type Surroundings } from './item-values.js';
import { columnOf, lineBreakNear, lineEnd, lineStart, type Splice } from './splices.js';
import {
  afterColon,
  cannotEdit,
  dashOf,
  endOf,
  isMissing,
  keyOf,
  mapOf,
  pairOf,
  startOf,
  throughAlias,
  valueOf,
} from './yaml-ranges.js';
import { blockItem, type BlockStyle, flow, quotingOf, scalar, type Writable } from './yaml-writing.js';

type Fields = { readonly [field: string]: Writable };

/** The splices that append items to `spec.secrets`, in the style of the list; what is missing around them is added. */
export function appendSplices(
  root: YAMLMap,
  added: ReadonlyMap<string, ItemValue>,
  around: Surroundings,
): Splice[] {
  const items = [...added].map(([key, value]): Fields => ({ key, ...value }));
  const specPair = pairOf(root, 'spec');
  const spec = mapOf(specPair, 'spec');
  if (spec === undefined) {
    return [
      specPair === undefined
        ? pairAtEnd(root, 'spec', { secrets: items }, around)
        : valueBelow(root, specPair, { secrets: items }, around),
    ];
  }
  const listPair = pairOf(spec, 'secrets');
  if (listPair === undefined) return [pairAtEnd(spec, 'secrets', items, around)];
  const list = valueOf(listPair);
  if (list === undefined || isMissing(list)) return [valueBelow(spec, listPair, items, around)];
  if (!isSeq(list)) throw isScalar(list) ? cannotEdit() : throughAlias('spec.secrets');
  if (list.items.length === 0) return [valueBelow(spec, listPair, items, around)];
  return items.map((item) =>
    list.flow === true ? flowItem(list, item, around) : blockListItem(list, item, around),
  );
}

/** The splices that take an item out of its list; comments beside it stay. */
export function removalSplices(list: YAMLSeq, listPair: Pair, index: number, text: string): Splice[] {
  const item = list.items[index] as Node;
  if (list.flow === true) {
    const before = list.items[index - 1] as Node | undefined;
    const next = list.items[index + 1] as Node | undefined;
    if (before !== undefined) return [{ start: endOf(before), end: endOf(item), text: '' }];
    return [{ start: startOf(item), end: next === undefined ? endOf(item) : startOf(next), text: '' }];
  }
  const dash = dashOf(list, index);
  const start = lineStart(text, dash);
  if (text.slice(start, dash).trim() !== '') throw cannotEdit();
  const end = lineEnd(text, endOf(item));
  const only = list.items.length === 1;
  // With the line break behind it; at the end of a file without one, with the line break before it.
  const behind = text.startsWith('\r\n', end) ? 2 : text.startsWith('\n', end) ? 1 : 0;
  const before = behind > 0 ? 0 : lineBreakNear(text, start).length;
  const removal = { start: start - before, end: end + behind, text: '' };
  if (!only) return [removal];
  const colon = afterKey(listPair);
  return [{ start: colon, end: colon, text: ' []' }, removal];
}

/** Right behind the colon of a pair whose value is a block. */
function afterKey(pair: Pair): number {
  return afterColon(pair);
}

function pairAtEnd(map: YAMLMap, name: string, value: Writable, around: Surroundings): Splice {
  const last = map.items.at(-1);
  if (last !== undefined) return pairAdded(map, last, name, value, around);
  const at = startOf(map) + 1;
  return { start: at, end: at, text: `${scalar(name)}: ${flow(value)}` };
}

/** Gives a value to a pair that has none, or an empty list. */
function valueBelow(map: YAMLMap, pair: Pair, value: Writable, { text, style }: Surroundings): Splice {
  const old = valueOf(pair);
  const start = old === undefined ? endOf(keyOf(pair)) : isMissing(old) ? afterColon(pair) : startOf(old);
  const end = old === undefined || isMissing(old) ? start : endOf(old);
  if (map.flow === true) {
    const double = quotingOf(keyOf(pair) as Scalar) === 'double';
    return { start, end, text: ` ${flow(value, double ? 'double' : 'plain')}` };
  }
  const column = columnOf(text, startOf(keyOf(pair)));
  const lineBreak = lineBreakNear(text, start);
  const lines = Array.isArray(value)
    ? (value as readonly Fields[]).flatMap((item) => blockItem(item, column + style.dashOffset, style))
    : Object.entries(value as Fields).flatMap(([name, inner]) => nested(name, inner, column + 2, style));
  if (text.slice(start, end).includes('#'))
    throw new AuthorError('the empty list has a comment in it: remove one of both');
  // A comment behind the colon, or behind the empty list, stays there.
  const at = lineEnd(text, end);
  const lead = start === end ? at : blanksBefore(text, start);
  const behind = start === end ? '' : text.slice(end, at);
  return { start: lead, end: at, text: behind + lines.map((line) => lineBreak + line).join('') };
}

function nested(name: string, value: Writable, column: number, style: BlockStyle): string[] {
  const items = value as readonly Fields[];
  return [
    `${' '.repeat(column)}${name}:`,
    ...items.flatMap((item) => blockItem(item, column + style.dashOffset, style)),
  ];
}

function blanksBefore(text: string, offset: number): number {
  let at = offset;
  while (at > 0 && (text[at - 1] === ' ' || text[at - 1] === '\t')) at -= 1;
  return at;
}

function blockListItem(list: YAMLSeq, item: Fields, { text, style }: Surroundings): Splice {
  const index = list.items.length - 1;
  const last = list.items[index] as Node;
  const dash = dashOf(list, index);
  const at = lineEnd(text, endOf(list));
  const lineBreak = lineBreakNear(text, at);
  const between = text.slice(dash + 1, startOf(last));
  const gap = /^ +$/.test(between) ? between : ' ';
  const column = columnOf(text, dash);
  const lines =
    isMap(last) && last.flow === true
      ? [`${' '.repeat(column)}-${gap}${flow(item, flowQuoting(last))}`]
      : blockItem(item, column, { ...style, gap });
  return { start: at, end: at, text: lines.map((line) => lineBreak + line).join('') };
}

function flowItem(list: YAMLSeq, item: Fields, { text }: Surroundings): Splice {
  const items = list.items as Node[];
  const last = items.at(-1) as Node;
  const [first = last, second] = items;
  // As the items before it are laid out: on one line, or each on its own.
  const blank = /^\s*$/;
  const lead = text.slice(startOf(list) + 1, startOf(first));
  const between =
    second === undefined ? lead : text.slice(endOf(first), startOf(second)).replace(/^\s*,/, '');
  const gap = blank.test(between) && between !== '' ? between : ' ';
  return { start: endOf(last), end: endOf(last), text: `,${gap}${flow(item, flowQuoting(last))}` };
}

function flowQuoting(item: Node): 'plain' | 'double' {
  const pair = isMap(item) ? item.items[0] : undefined;
  return pair !== undefined && quotingOf(keyOf(pair) as Scalar) === 'double' ? 'double' : 'plain';
}

/** How lists and items are written in a document, so that new ones look alike. */
export function styleOf(root: Node, text: string): BlockStyle {
  let dashOffset: number | undefined;
  const fields = new Map<string, Scalar>();
  visit(root, {
    Pair(_, pair) {
      const key = pair.key as Node | null;
      const value = pair.value as Node | null;
      if (!isScalar(key)) return;
      if (isScalar(value) && typeof key.value === 'string') fields.set(key.value, value);
      if (dashOffset === undefined && isSeq(value) && value.flow !== true && value.items.length > 0) {
        dashOffset = Math.max(0, columnOf(text, dashOf(value, 0)) - columnOf(text, startOf(key)));
      }
    },
  });
  return {
    dashOffset: dashOffset ?? 2,
    gap: ' ',
    quoting: (field) => (['key', 'encryptedSecret'].includes(field) ? quotingOf(fields.get(field)) : 'plain'),
  };
}
