import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import { AuthorError } from '../author-error.js';

/** The lexer's part of a mapping's or list's item (`CST.CollectionItem` of the yaml library). */
interface CollectionItem {
  readonly start?: readonly SourceToken[];
  readonly sep?: readonly SourceToken[];
}

interface SourceToken {
  readonly type: string;
  readonly offset: number;
  readonly source: string;
}

/** A block scalar's text: from the first line below the header to the last one that is not blank. */
export interface BlockText {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Where a node begins, behind its anchor and tag. */
export function startOf(node: Node): number {
  return rangeOf(node)[0];
}

/** Where the last character of a node, other than blanks, comments and line breaks, ends. */
export function endOf(node: Node): number {
  if (isScalar(node) && isBlockScalar(node)) return blockTextOf(node).end;
  if (isCollection(node) && node.flow !== true) {
    const last = node.items.at(-1);
    if (isPair(last)) return pairEnd(last);
    if (isSeq(node)) return seqItemEnd(node, node.items.length - 1);
  }
  return rangeOf(node)[1];
}

/** As {@link endOf}, for a key and its value. */
export function pairEnd(pair: Pair): number {
  const value = valueOf(pair);
  if (value !== undefined && !isMissing(value)) return endOf(value);
  return pair.value === null || value === undefined ? endOf(keyOf(pair)) : afterColon(pair);
}

/** The end of what comes between a key and a missing value: the colon, an anchor, a tag. */
export function afterColon(pair: Pair): number {
  const tokens = (pair.srcToken as CollectionItem | undefined)?.sep ?? [];
  const last = tokens.filter(({ type }) => ['map-value-ind', 'anchor', 'tag'].includes(type)).at(-1);
  if (last === undefined) throw cannotEdit();
  return last.offset + last.source.length;
}

/** Where the dash of an item of a block list is. */
export function dashOf(seq: YAMLSeq, index: number): number {
  const dash = itemTokens(seq, index).start?.find(({ type }) => type === 'seq-item-ind');
  if (dash === undefined) throw cannotEdit();
  return dash.offset;
}

function seqItemEnd(seq: YAMLSeq, index: number): number {
  const item = seq.items[index] as Node | null | undefined;
  return item === null || item === undefined || isMissing(item) ? dashOf(seq, index) + 1 : endOf(item);
}

function itemTokens(seq: YAMLSeq, index: number): CollectionItem {
  const token = seq.srcToken as { readonly items?: readonly CollectionItem[] } | undefined;
  return token?.items?.[index] ?? {};
}

export function isBlockScalar(node: Scalar): boolean {
  return node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED';
}

/** A null that no character stands for, as in `key:`. */
export function isMissing(node: Node): boolean {
  return isScalar(node) && node.value === null && (node.source ?? '') === '';
}

export function blockTextOf(node: Scalar): BlockText {
  const token = node.srcToken as
    { readonly offset: number; readonly source: string; readonly props: readonly SourceToken[] } | undefined;
  if (token === undefined) throw cannotEdit();
  const header = token.props.reduce((length, { source }) => length + source.length, 0);
  const start = startOf(node) + header;
  const text = token.source.replace(/\s+$/, '');
  // Without text, the header ends the value; its line break belongs to what follows.
  if (text === '') {
    const props = token.props
      .map(({ source }) => source)
      .join('')
      .replace(/\s+$/, '');
    return { start: startOf(node) + props.length, end: startOf(node) + props.length, text };
  }
  return { start, end: start + text.length, text };
}

/** The pair of a mapping's own, not one that a merge key brings. */
export function pairOf(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find(({ key }) => isScalar(key) && key.value === name);
}

export function keyOf(pair: Pair): Node {
  return pair.key as Node;
}

export function valueOf(pair: Pair): Node | undefined {
  return (pair.value as Node | null) ?? undefined;
}

/** @throws AuthorError when the value stands somewhere else in the file. */
export function mapOf(pair: Pair | undefined, what: string): YAMLMap | undefined {
  const value = pair === undefined ? undefined : valueOf(pair);
  if (value === undefined || isMissing(value)) return undefined;
  if (isAlias(value)) throw throughAlias(what);
  if (!isMap(value)) throw new AuthorError(`${what} is not a mapping`);
  return value;
}

export function throughAlias(what: string): AuthorError {
  return new AuthorError(
    `${what} comes from an alias or a merge key, so a change would alter other places, too: change it where its anchor is`,
  );
}

export function cannotEdit(): AuthorError {
  return new AuthorError(
    'this YAML cannot be changed without altering more than the one item; write the item in the usual form first: ' +
      '"- key: …" and "encryptedSecret: …" on lines of their own',
  );
}

function rangeOf(node: Node): readonly [number, number, number] {
  if (node.range === null || node.range === undefined) throw cannotEdit();
  return node.range;
}
