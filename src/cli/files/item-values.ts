import { isAlias, isMap, isScalar, type Pair, type Scalar, type YAMLMap } from 'yaml';

import type { EncryptionContext } from '../../api/resources.js';
import { AuthorError } from '../author-error.js';
import { columnOf, lineBreakNear, lineEnd, type Splice } from './splices.js';
import {
  afterColon,
  blockTextOf,
  endOf,
  isBlockScalar,
  isMissing,
  keyOf,
  pairEnd,
  pairOf,
  startOf,
  throughAlias,
  valueOf,
} from './yaml-ranges.js';
import { blockPair, type BlockStyle, flow, quotingOf, scalar, type Writable } from './yaml-writing.js';

/** What an item is to hold from now on. */
export type ItemValue =
  | {
      readonly encryptedSecret: string;
      /** Absent: the item keeps its own context, or has none. */
      readonly secretContext?: EncryptionContext;
    }
  | { readonly emptySecret: true };

/** What the text around an item looks like. */
export interface Surroundings {
  readonly text: string;
  readonly style: BlockStyle;
}

/** The splices that give an existing item its new value; nothing else of the item changes. */
export function itemSplices(key: string, map: YAMLMap, value: ItemValue, around: Surroundings): Splice[] {
  const encrypted = pairOf(map, 'encryptedSecret');
  const empty = pairOf(map, 'emptySecret');
  for (const pair of [encrypted, empty]) if (pair !== undefined) expectScalar(key, pair);
  if ('emptySecret' in value) return emptySplices(map, encrypted, empty, around);
  const splices: Splice[] = [];
  const { encryptedSecret, secretContext } = value;
  if (encrypted !== undefined) {
    splices.push(textSplice(around.text, encrypted, encryptedSecret));
    if (empty !== undefined && boolOf(empty)) splices.push(wordSplice(empty, 'false'));
  } else if (empty !== undefined) {
    splices.push(...renamed(empty, 'encryptedSecret'), wordSplice(empty, encryptedSecret));
  } else {
    splices.push(pairAdded(map, lastTextPair(map), 'encryptedSecret', encryptedSecret, around));
  }
  if (secretContext !== undefined) {
    const own = pairOf(map, 'secretContext');
    const after = encrypted ?? empty ?? lastTextPair(map);
    splices.push(
      own === undefined
        ? pairAdded(map, after, 'secretContext', secretContext, around)
        : contextSplice(key, own, secretContext, around),
    );
  }
  return splices;
}

function emptySplices(
  map: YAMLMap,
  encrypted: Pair | undefined,
  empty: Pair | undefined,
  around: Surroundings,
): Splice[] {
  if (empty !== undefined) {
    // An old ciphertext would be ignored, but somebody could think that it counts.
    const cleared = encrypted === undefined ? [] : [wordSplice(encrypted, '""')];
    return boolOf(empty) ? cleared : [wordSplice(empty, 'true'), ...cleared];
  }
  if (encrypted !== undefined) return [...renamed(encrypted, 'emptySecret'), wordSplice(encrypted, 'true')];
  return [pairAdded(map, lastTextPair(map), 'emptySecret', true, around)];
}

function expectScalar(key: string, pair: Pair): void {
  const value = valueOf(pair);
  const field = String((pair.key as Scalar).value);
  if (value === undefined || isScalar(value)) return;
  if (isAlias(value)) throw throughAlias(`${field} of ${key}`);
  throw new AuthorError(`${field} of ${key} is not a text`);
}

function boolOf(pair: Pair): boolean {
  const value = valueOf(pair);
  return isScalar(value) && value.value === true;
}

/** New pairs come behind the key of the item, so that the item stays readable. */
function lastTextPair(map: YAMLMap): Pair {
  const pair = pairOf(map, 'key');
  if (pair === undefined) throw new AuthorError('an item of spec.secrets has no key of its own');
  return pair;
}

function renamed(pair: Pair, name: string): Splice[] {
  const key = keyOf(pair) as Scalar;
  return [{ start: startOf(key), end: endOf(key), text: scalar(name, quotingOf(key)) }];
}

/** Puts a ciphertext in the place of the old one, in the same style. */
function textSplice(text: string, pair: Pair, ciphertext: string): Splice {
  const node = valueOf(pair);
  if (node === undefined || isMissing(node)) return wordSplice(pair, ciphertext);
  const value = node as Scalar;
  if (!isBlockScalar(value)) {
    return { start: startOf(value), end: endOf(value), text: scalar(ciphertext, quotingOf(value)) };
  }
  const old = blockTextOf(value);
  const indentation = /^(?:[ \t]*\r?\n)*( +)/.exec(text.slice(old.start, old.end))?.[1];
  if (indentation === undefined) return wordSplice(pair, ciphertext);
  const lines = old.text.trimStart().split(/\r?\n/);
  // A folded text turns line breaks into blanks, which are not base64.
  const wrap = value.type === 'BLOCK_LITERAL' && lines.length > 1 ? (lines[0] ?? '').trim().length : 0;
  const chunks = wrap > 0 ? (ciphertext.match(new RegExp(`.{1,${String(wrap)}}`, 'g')) ?? []) : [ciphertext];
  const lineBreak = lineBreakNear(text, old.start);
  return { start: old.start, end: old.end, text: chunks.map((chunk) => indentation + chunk).join(lineBreak) };
}

/** Puts one word in the place of a value, whatever its style. */
function wordSplice(pair: Pair, word: string): Splice {
  const value = valueOf(pair);
  if (value !== undefined && !isMissing(value))
    return { start: startOf(value), end: endOf(value), text: word };
  const at = value === undefined ? endOf(keyOf(pair)) : afterColon(pair);
  return { start: at, end: at, text: `${value === undefined ? ':' : ''} ${word}` };
}

/** A pair behind another one of the same mapping. */
export function pairAdded(
  map: YAMLMap,
  after: Pair,
  name: string,
  value: Writable,
  { text, style }: Surroundings,
): Splice {
  if (map.flow === true) {
    const at = pairEnd(after);
    const quoting = quotingOf(keyOf(after) as Scalar);
    const field = scalar(name, quoting === 'double' ? 'double' : 'plain');
    return {
      start: at,
      end: at,
      text: `, ${field}: ${flow(value, quoting === 'double' ? 'double' : 'plain')}`,
    };
  }
  const at = lineEnd(text, pairEnd(after));
  const column = columnOf(text, startOf(keyOf(map.items[0] as Pair)));
  const lineBreak = lineBreakNear(text, at);
  const lines = blockPair(name, value, column, style);
  return { start: at, end: at, text: lines.map((line) => lineBreak + line).join('') };
}

function contextSplice(key: string, pair: Pair, context: EncryptionContext, around: Surroundings): Splice {
  const value = valueOf(pair);
  if (value === undefined || isMissing(value)) return wordSplice(pair, flow(context));
  if (isAlias(value)) throw throughAlias(`secretContext of ${key}`);
  if (!isMap(value)) return wordSplice(pair, flow(context));
  if (value.flow === true) {
    const first = value.items[0];
    const quoting = quotingOf(keyOf(first ?? pair) as Scalar) === 'double' ? 'double' : 'plain';
    return { start: startOf(value), end: endOf(value), text: flow(context, quoting) };
  }
  const { text, style } = around;
  const [start, end] = [startOf(value), endOf(value)];
  if (/(?:^|\s)#/.test(text.slice(start, end))) {
    throw new AuthorError(
      `secretContext of ${key} has comments, which would be lost: change it by hand first`,
    );
  }
  const column = columnOf(text, start);
  const lines = Object.entries(context).flatMap(([name, pairValue]) =>
    blockPair(name, pairValue, column, style),
  );
  return { start, end, text: lines.join(lineBreakNear(text, start)).trimStart() };
}
