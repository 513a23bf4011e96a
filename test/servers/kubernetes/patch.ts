import { copyJson, isRecord, sameJson } from './objects.js';

/** A patch that cannot be applied, with the status that the real server answers. */
export class PatchError extends Error {
  constructor(
    readonly status: 400 | 422,
    message: string,
  ) {
    super(message);
    this.name = 'PatchError';
  }
}

/** JSON Merge Patch (RFC 7386); keys such as `__proto__` are keys like any other. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, applyMergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

interface Operation {
  readonly op: unknown;
  readonly path: unknown;
  readonly from?: unknown;
  readonly value?: unknown;
}

/** JSON Patch (RFC 6902). */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw new PatchError(400, 'a JSON patch is a list of operations');
  let document = copyJson(target);
  for (const operation of operations) {
    if (!isRecord(operation)) throw new PatchError(400, 'an operation of a JSON patch is an object');
    document = applyOperation(document, operation as unknown as Operation);
  }
  return document;
}

function applyOperation(document: unknown, operation: Operation): unknown {
  const path = pointer(operation.path);
  switch (operation.op) {
    case 'add':
      return edit(document, path, 'add', operation.value);
    case 'replace':
      return edit(document, path, 'replace', operation.value);
    case 'remove':
      return edit(document, path, 'remove');
    case 'test':
      if (!sameJson(read(document, path), operation.value)) {
        throw new PatchError(422, 'the server rejected our request due to an error in our request');
      }
      return document;
    case 'copy':
      return edit(document, path, 'add', copyJson(read(document, pointer(operation.from))));
    case 'move': {
      const from = pointer(operation.from);
      const moved = read(document, from);
      return edit(edit(document, from, 'remove'), path, 'add', moved);
    }
    default:
      throw new PatchError(400, `unknown operation ${JSON.stringify(operation.op)}`);
  }
}

function pointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')))
    throw new PatchError(400, 'bad JSON pointer');
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
}

function read(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const part of path) {
    if (Array.isArray(value) && /^\d+$/.test(part) && Number(part) < value.length)
      value = value[Number(part)];
    else if (isRecord(value) && Object.hasOwn(value, part)) value = value[part];
    else throw missing();
  }
  return value;
}

function edit(
  document: unknown,
  path: readonly string[],
  how: 'add' | 'replace' | 'remove',
  value?: unknown,
): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return how === 'remove' ? null : value;
  if (Array.isArray(document)) return editList(document, head, rest, how, value);
  if (!isRecord(document)) throw missing();
  const members = new Map(Object.entries(document));
  if (rest.length > 0) {
    if (!members.has(head)) throw missing();
    members.set(head, edit(members.get(head), rest, how, value));
  } else if (how === 'add') {
    members.set(head, value);
  } else if (!members.has(head)) {
    throw missing();
  } else if (how === 'replace') {
    members.set(head, value);
  } else {
    members.delete(head);
  }
  return Object.fromEntries(members);
}

function editList(
  list: readonly unknown[],
  head: string,
  rest: readonly string[],
  how: 'add' | 'replace' | 'remove',
  value: unknown,
): unknown {
  const copy = [...list];
  const index = head === '-' && how === 'add' && rest.length === 0 ? copy.length : Number(head);
  const inside =
    /^(\d+|-)$/.test(head) && index <= (how === 'add' && rest.length === 0 ? copy.length : copy.length - 1);
  if (!inside) throw missing();
  if (rest.length > 0) copy[index] = edit(copy[index], rest, how, value);
  else if (how === 'add') copy.splice(index, 0, value);
  else if (how === 'replace') copy[index] = value;
  else copy.splice(index, 1);
  return copy;
}

function missing(): PatchError {
  return new PatchError(422, 'the server rejected our request due to an error in our request');
}
