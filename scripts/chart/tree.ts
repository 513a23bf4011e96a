import { isDeepStrictEqual } from 'node:util';

import { type Document, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';

/** When something is printed: if one of `when` holds (none means always), and none of `unless`. Go template conditions. */
export interface Condition {
  when: string[];
  unless: string[];
}

/** A field of a map, or an item of a list, which has no key. */
export interface Member extends Condition {
  readonly key?: string;
  value: Tree;
  /** Lines without `#`. */
  comment?: readonly string[];
}

/** An object of a manifest on its way to a template: YAML whose parts depend on conditions or are template text. */
export type Tree =
  | { readonly type: 'leaf'; value: unknown }
  | { readonly type: 'map' | 'list'; members: Member[] }
  /** Printed as it is in the place of a value. */
  | { readonly type: 'text'; text: string }
  /** Whole lines in the place of a member; `@` is the number of blanks before it. */
  | { readonly type: 'lines'; lines: readonly string[] }
  | { readonly type: 'choice'; when: string; then: Tree; otherwise: Tree }
  /** The value of `by` where it is set, otherwise the inner tree. */
  | { readonly type: 'override'; by: string; inner: Tree };

/** Comments about the way of a manifest through kustomize say nothing to users of the chart. */
const OF_KUSTOMIZE = /kustomize|component|overlay|patches|prefix/i;

export function text(content: string): Tree {
  return { type: 'text', text: content };
}

export function member(value: Tree, options: Partial<Omit<Member, 'value'>> = {}): Member {
  return { when: [], unless: [], ...options, value };
}

/** Lines among the fields of a map or the items of a list. */
export function lines(...content: string[]): Member {
  return member({ type: 'lines', lines: content });
}

export function fromJs(value: unknown): Tree {
  if (Array.isArray(value)) return { type: 'list', members: value.map((item) => member(fromJs(item))) };
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, inner]) => member(fromJs(inner), { key }));
    return { type: 'map', members };
  }
  return { type: 'leaf', value };
}

/** With the comments of the file. */
export function fromDocument(document: Document): { tree: Tree; comment: readonly string[] } {
  const before = document.contents?.commentBefore ?? undefined;
  const comment = [...commentLines(document.commentBefore), ...commentLines(before)];
  return { tree: fromNode(document.contents, true), comment };
}

/** @param isItem whose comment is printed before it, and not in it */
function fromNode(node: unknown, isItem = false): Tree {
  if (isMap(node)) {
    const members = node.items.map((pair: Pair) => {
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      return commented(member(fromNode(pair.value), { key }), pair.key as Node);
    });
    // The comment above the first key of a map belongs to the map.
    return { type: 'map', members: isItem ? members : withFirstComment(members, node.commentBefore) };
  }
  if (isSeq(node)) {
    const members = node.items.map((item) => commented(member(fromNode(item, true)), item as Node));
    return { type: 'list', members: withFirstComment(members, node.commentBefore) };
  }
  return { type: 'leaf', value: isScalar(node) ? node.value : null };
}

function withFirstComment(members: Member[], comment: string | null | undefined): Member[] {
  const [first] = members;
  if (first !== undefined && first.comment === undefined) addComment(first, comment);
  return members;
}

function commented(one: Member, node: Node): Member {
  addComment(one, node.commentBefore);
  return one;
}

function addComment(one: Member, comment: string | null | undefined): void {
  const found = commentLines(comment);
  if (found.length > 0) one.comment = found;
}

function commentLines(comment: string | null | undefined): readonly string[] {
  if (comment === null || comment === undefined || OF_KUSTOMIZE.test(comment)) return [];
  return comment.split('\n').map((line) => line.trim());
}

/** The innermost plain value: what the base has. */
export function baseValue(tree: Tree): unknown {
  if (tree.type === 'choice') return baseValue(tree.otherwise);
  if (tree.type === 'override') return baseValue(tree.inner);
  return tree.type === 'leaf' ? tree.value : undefined;
}

export function field(tree: Tree | undefined, key: string): Member | undefined {
  return tree?.type === 'map' ? tree.members.find((one) => one.key === key) : undefined;
}

/** The member at a path of keys; items of a list are named by their `name` or their position. */
export function at(tree: Tree, ...path: readonly (string | number)[]): Member | undefined {
  let found: Member | undefined;
  let inside: Tree | undefined = tree;
  for (const step of path) {
    if (inside?.type === 'map') found = field(inside, String(step));
    else if (inside?.type === 'list')
      found = inside.members.find((one, index) => index === step || nameOf(one.value) === step);
    else return undefined;
    inside = found?.value;
  }
  return found;
}

export function nameOf(item: Tree): unknown {
  const name = field(item, 'name');
  return name === undefined ? undefined : baseValue(name.value);
}

/** The member with this key, made if it is missing; it is then there only when something in it is. */
export function ensure(tree: Tree, key: string, type: 'map' | 'list', when?: string): Tree {
  if (tree.type !== 'map') throw new Error(`${key}: not in a map`);
  const found = field(tree, key);
  if (found === undefined) {
    const made: Tree = { type, members: [] };
    tree.members.push(member(made, { key, when: when === undefined ? [] : [when] }));
    return made;
  }
  if (when !== undefined && found.when.length > 0) widen(found, when);
  return found.value;
}

/** Adds a condition to a member that has conditions already; what is in it keeps them. */
export function widen(one: Member, when: string): void {
  if (one.when.includes(when)) return;
  if (one.value.type === 'map' || one.value.type === 'list') {
    for (const inner of one.value.members) if (inner.when.length === 0) inner.when = [...one.when];
  }
  one.when.push(when);
}

export function same(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other);
}
