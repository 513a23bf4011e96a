import { copyJson, isRecord, sameJson } from './objects.js';

/** A patch that cannot be applied, with the status that the real server answers. */
export class PatchError extends Error {
  constructor(
    readonly status: 400 | 413 | 422 | 500,
    message: string,
  ) {
    super(message);
    this.name = 'PatchError';
  }
}

/** `maxJSONPatchOperations` of the API server. */
const MAX_OPERATIONS = 10_000;

/**
 * JSON Merge Patch (RFC 7386); keys such as `__proto__` are keys like any other.
 *
 * @throws PatchError 400 for a patch that is no object: the whole resource cannot be replaced by text.
 */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) throw undecodable(patch, 'map[string]interface {}');
  return mergeObject(target, patch);
}

function mergeObject(target: unknown, patch: Record<string, unknown>): unknown {
  const merged = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, isRecord(value) ? mergeObject(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}

/**
 * JSON Patch (RFC 6902), all or nothing.
 *
 * @throws PatchError 400 for what is no list of operations, 413 for more than 10,000 of them, 422 for an
 *   operation that does not fit the document, which the real server does not explain.
 */
export function applyJsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw undecodable(operations, '[]handlers.jsonPatchOp');
  const foreign: unknown = operations.find((operation) => !isRecord(operation));
  if (foreign !== undefined) throw undecodable(foreign, 'handlers.jsonPatchOp');
  if (operations.length > MAX_OPERATIONS) {
    const found = String(operations.length);
    throw new PatchError(
      413,
      `Request entity too large: The allowed maximum operations in a JSON patch is ${String(MAX_OPERATIONS)}, got ${found}`,
    );
  }
  return operations.filter(isRecord).reduce<unknown>(applyOperation, target);
}

/** What a patch of the wrong JSON type is called by Go's decoder. */
export function undecodable(value: unknown, wanted: string): PatchError {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return new PatchError(
    400,
    `error decoding patch: json: cannot unmarshal ${found} into Go value of type ${wanted}`,
  );
}

function applyOperation(document: unknown, operation: Record<string, unknown>): unknown {
  const path = pointer(operation['path']);
  // An operation without a value has null for one, as in the library of the real server.
  const value = copyJson(operation['value'] ?? null);
  switch (operation['op']) {
    case 'add':
      return edit(document, below(path), 'add', value);
    case 'replace':
      return edit(document, path, 'replace', value);
    case 'remove':
      return edit(document, below(path), 'remove');
    case 'test':
      if (!sameJson(found(document, path), value)) throw unfit();
      return document;
    case 'copy': {
      const from = below(pointer(operation['from']));
      return edit(document, below(path), 'add', copyJson(read(document, from)));
    }
    case 'move': {
      const from = below(pointer(operation['from']));
      const moved = read(document, from);
      return edit(edit(document, from, 'remove'), below(path), 'add', moved);
    }
    default:
      throw unfit();
  }
}

function pointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) throw unfit();
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
}

/** Only `test` and `replace` take the whole document. */
function below(path: string[]): string[] {
  if (path.length === 0) throw unfit();
  return path;
}

/** A value that is not there equals null, but its parent must be there. */
function found(document: unknown, path: readonly string[]): unknown {
  const parent = read(document, path.slice(0, -1));
  const last = path.at(-1);
  if (last === undefined) return document;
  return isRecord(parent) && !Object.hasOwn(parent, last) ? null : read(parent, [last]);
}

function read(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const part of path) {
    if (Array.isArray(value) && /^\d+$/.test(part) && Number(part) < value.length) {
      value = value[Number(part)];
    } else if (isRecord(value) && Object.hasOwn(value, part)) value = value[part];
    else throw unfit();
  }
  return value;
}

type Edit = 'add' | 'replace' | 'remove';

function edit(document: unknown, path: readonly string[], how: Edit, value?: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (Array.isArray(document)) return editList(document, head, rest, how, value);
  if (!isRecord(document)) throw unfit();
  const members = new Map(Object.entries(document));
  const mayBeNew = how === 'add' && rest.length === 0;
  if (!mayBeNew && !members.has(head)) throw unfit();
  if (rest.length > 0) members.set(head, edit(members.get(head), rest, how, value));
  else if (how === 'remove') members.delete(head);
  else members.set(head, value);
  return Object.fromEntries(members);
}

function editList(
  list: readonly unknown[],
  head: string,
  rest: readonly string[],
  how: Edit,
  value: unknown,
): unknown {
  const copy = [...list];
  const mayBeNew = how === 'add' && rest.length === 0;
  const index = head === '-' && mayBeNew ? copy.length : /^\d+$/.test(head) ? Number(head) : Infinity;
  if (index > (mayBeNew ? copy.length : copy.length - 1)) throw unfit();
  if (rest.length > 0) copy[index] = edit(copy[index], rest, how, value);
  else if (how === 'add') copy.splice(index, 0, value);
  else if (how === 'replace') copy[index] = value;
  else copy.splice(index, 1);
  return copy;
}

function unfit(): PatchError {
  return new PatchError(422, 'the server rejected our request due to an error in our request');
}
