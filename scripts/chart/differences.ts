import { baseValue, field, fromJs, member, type Member, nameOf, same, type Tree, widen } from './tree.js';

type Fields = Readonly<Record<string, unknown>>;

/** Puts into the tree, under the condition, whatever makes `after` out of `before`. */
export function applyDifference(tree: Tree, before: unknown, after: unknown, when: string): void {
  if (same(before, after)) return;
  if (Array.isArray(before) && Array.isArray(after)) applyToList(tree, before, after, when);
  else if (isFields(before) && isFields(after)) applyToMap(tree, before, after, when);
  else throw new Error(`${when}: ${JSON.stringify(before)} and ${JSON.stringify(after)} are of two types`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

function applyToMap(tree: Tree, before: Fields, after: Fields, when: string): void {
  if (tree.type !== 'map') throw new Error(`${when}: a map has become ${tree.type}`);
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const found = field(tree, key);
    if (!Object.hasOwn(before, key)) {
      if (found === undefined) tree.members.push(member(fromJs(after[key]), { key, when: [when] }));
      else addInto(found, after[key], when);
    } else if (found === undefined) throw new Error(`${when}: ${key} is not in the tree`);
    else if (!Object.hasOwn(after, key)) found.unless.push(when);
    else changeMember(found, before[key], after[key], when);
  }
}

/** Another feature has added the same field: each keeps its own part of it. */
function addInto(found: Member, value: unknown, when: string): void {
  const { value: tree } = found;
  if (tree.type === 'list' && Array.isArray(value)) {
    widen(found, when);
    for (const item of value) addItem(tree.members, item, when);
  } else if (tree.type === 'map' && isFields(value)) {
    widen(found, when);
    for (const [key, inner] of Object.entries(value)) {
      const one = field(tree, key);
      if (one === undefined) tree.members.push(member(fromJs(inner), { key, when: [when] }));
      else addInto(one, inner, when);
    }
  } else if (!found.when.includes(when)) {
    found.value = { type: 'choice', when, then: fromJs(value), otherwise: tree };
    if (found.when.length > 0) found.when.push(when);
  }
}

function addItem(members: Member[], item: unknown, when: string): void {
  const equal = members.find((one) => isItem(one.value, item) && same(toJs(one.value), item));
  if (equal === undefined) members.push(member(fromJs(item), { when: [when] }));
  else if (equal.when.length > 0 && !equal.when.includes(when)) equal.when.push(when);
}

function changeMember(found: Member, before: unknown, after: unknown, when: string): void {
  if (same(before, after)) return;
  if (isScalar(before) || isScalar(after) || Array.isArray(before) !== Array.isArray(after)) {
    found.value = { type: 'choice', when, then: fromJs(after), otherwise: found.value };
  } else applyDifference(found.value, before, after, when);
}

function applyToList(tree: Tree, before: readonly unknown[], after: readonly unknown[], when: string): void {
  if (tree.type !== 'list') throw new Error(`${when}: a list has become ${tree.type}`);
  const { members } = tree;
  const find = (item: unknown): Member => {
    const found = members.find((one) => isItem(one.value, item));
    if (found === undefined) throw new Error(`${when}: ${JSON.stringify(item)} is not in the tree`);
    return found;
  };
  const lost = before.filter((item) => !after.some((other) => identity(other) === identity(item)));
  const won = after.filter((item) => !before.some((other) => identity(other) === identity(item)));
  for (const item of after.filter((one) => !won.includes(one))) {
    const old = before.find((other) => identity(other) === identity(item));
    if (!same(old, item)) applyDifference(find(item).value, old, item, when);
  }
  // What has taken the place of another of its kind.
  if (lost.length === won.length && before.length === after.length) {
    lost.forEach((item, index) => changeMember(find(item), item, won[index], when));
    return;
  }
  for (const item of lost) find(item).unless.push(when);
  for (const item of won) addItem(members, item, when);
}

/** By which items of two lists are the same one: the name, or all of it. */
function identity(item: unknown): string {
  const name = isFields(item) ? item['name'] : undefined;
  return typeof name === 'string' ? `name ${name}` : canonical(item);
}

/** JSON with the keys in order: those of a file and of kustomize's output differ. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isFields(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

function isItem(tree: Tree, item: unknown): boolean {
  const name = nameOf(tree);
  return identity(item) === (typeof name === 'string' ? `name ${name}` : canonical(toJs(tree)));
}

/** The plain value; what depends on a condition counts as the base has it. */
export function toJs(tree: Tree): unknown {
  if (tree.type === 'map')
    return Object.fromEntries(tree.members.map(({ key = '', value }) => [key, toJs(value)]));
  if (tree.type === 'list') return tree.members.map(({ value }) => toJs(value));
  if (tree.type === 'choice') return toJs(tree.otherwise);
  return baseValue(tree);
}
