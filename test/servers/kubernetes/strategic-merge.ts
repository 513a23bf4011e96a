import { listStrategy, type ListStrategy } from './merge-strategy.js';
import { isRecord, sameJson } from './objects.js';
import { PatchError, undecodable } from './patch.js';

const DELETE_FROM = '$deleteFromPrimitiveList/';
const ORDER = '$setElementOrder/';
const RETAIN = '$retainKeys';

/**
 * Strategic merge patch of a built-in kind, with the directives `$patch`, `$deleteFromPrimitiveList`,
 * `$setElementOrder` and `$retainKeys`, as "Strategic Merge Patch" of the API conventions describes them.
 *
 * @param kind names the kind whose lists are merged.
 * @throws PatchError 400 for a directive of the wrong type, 500 for an unknown `$patch` and for an item
 *   without its merge key, which is what the real server answers.
 */
export function applyStrategicMergePatch(target: unknown, patch: unknown, kind: string): unknown {
  if (!isRecord(patch)) throw undecodable(patch, 'map[string]interface {}');
  return new StrategicMerge(kind).object(target, patch, '') ?? {};
}

class StrategicMerge {
  constructor(private readonly kind: string) {}

  /** @returns undefined when the patch deletes the object. */
  object(target: unknown, patch: Record<string, unknown>, place: string): unknown {
    const directive = directiveOf(patch);
    if (directive === 'delete') return undefined;
    const base = isRecord(target) && directive !== 'replace' ? target : {};
    const merged = new Map<string, unknown>(Object.entries(retained(base, patch)));
    for (const [key, value] of Object.entries(patch)) {
      if (key.startsWith('$')) continue;
      const next = value === null ? undefined : this.field(merged.get(key), value, place, key, patch);
      if (next === undefined) merged.delete(key);
      else merged.set(key, next);
    }
    for (const [key, value] of Object.entries(patch)) {
      const field = listDirective(key, value);
      if (field === undefined || Object.hasOwn(patch, field)) continue;
      const next = this.list(merged.get(field), [], place, field, patch);
      if (next !== undefined) merged.set(field, next);
    }
    return Object.fromEntries(merged);
  }

  private field(
    target: unknown,
    value: unknown,
    place: string,
    key: string,
    patch: Record<string, unknown>,
  ): unknown {
    if (isRecord(value)) return this.object(target, value, key);
    return Array.isArray(value) ? this.list(target, value, place, key, patch) : value;
  }

  private list(
    target: unknown,
    patch: readonly unknown[],
    place: string,
    field: string,
    around: Record<string, unknown>,
  ): unknown {
    const strategy = listStrategy(this.kind, place, field);
    if (strategy === 'replace') {
      return Object.hasOwn(around, field) ? patch.map((item) => this.fresh(item, field)) : target;
    }
    if (!Array.isArray(target) && patch.length === 0 && !Object.hasOwn(around, field)) return undefined;
    const old: unknown[] = Array.isArray(target) ? target : [];
    const order = around[`${ORDER}${field}`];
    if (strategy === 'set') {
      const gone = around[`${DELETE_FROM}${field}`];
      const kept = old.filter((item) => !(Array.isArray(gone) && has(gone, item, strategy)));
      const merged = [...kept, ...patch.filter((item) => !has(kept, item, strategy))];
      return inOrder(merged, patch, order, old, strategy);
    }
    const replacing = patch.some(
      (item) => isRecord(item) && item['$patch'] === 'replace' && !(strategy.by in item),
    );
    const rest = patch.filter(
      (item) => !(isRecord(item) && item['$patch'] === 'replace' && !(strategy.by in item)),
    );
    if (replacing) return rest.map((item) => this.fresh(item, field));
    return inOrder(this.byKey(old, rest, strategy.by, field), rest, order, old, strategy);
  }

  private byKey(
    target: readonly unknown[],
    patch: readonly unknown[],
    key: string,
    field: string,
  ): unknown[] {
    const result = [...target];
    for (const item of patch) {
      if (!isRecord(item) || !Object.hasOwn(item, key)) {
        throw new PatchError(500, `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
      }
      const index = positionIn(result, item, { by: key });
      const next = this.object(index < 0 ? undefined : result[index], item, field);
      if (index < 0 && next !== undefined) result.push(next);
      else if (next === undefined && index >= 0) result.splice(index, 1);
      else if (index >= 0) result[index] = next;
    }
    return result;
  }

  /** A value for a new field: directives and nulls are not stored. */
  private fresh(value: unknown, field: string): unknown {
    return isRecord(value) ? this.object(undefined, value, field) : value;
  }
}

function directiveOf(patch: Record<string, unknown>): 'delete' | 'replace' | undefined {
  const directive = patch['$patch'];
  if (directive === undefined || directive === 'merge') return undefined;
  if (directive === 'delete' || directive === 'replace') return directive;
  throw new PatchError(500, `unknown patch type: ${JSON.stringify(directive)}`);
}

/** The list that a directive applies to. */
function listDirective(key: string, value: unknown): string | undefined {
  const prefix = [DELETE_FROM, ORDER].find((one) => key.startsWith(one));
  if (prefix === undefined) return undefined;
  if (!Array.isArray(value)) throw new PatchError(400, `${prefix.slice(0, -1)} must be a list`);
  return key.slice(prefix.length);
}

/** Removes the fields that `$retainKeys` does not list; the patch must not set others. */
function retained(target: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const keys = patch[RETAIN];
  if (keys === undefined) return target;
  const allowed = Array.isArray(keys) ? keys : undefined;
  const others = Object.keys(patch).filter((key) => !key.startsWith('$') && allowed?.includes(key) !== true);
  if (allowed === undefined || others.length > 0) {
    throw new PatchError(400, 'invalid patch format of $retainKeys');
  }
  return Object.fromEntries(Object.entries(target).filter(([key]) => allowed.includes(key)));
}

/**
 * Brings a merged list into the order of `$setElementOrder`. Items that only the server has keep their
 * places among those that it had before.
 */
function inOrder(
  merged: unknown[],
  patch: readonly unknown[],
  order: unknown,
  old: readonly unknown[],
  strategy: Exclude<ListStrategy, 'replace'>,
): unknown[] {
  if (!Array.isArray(order)) return merged;
  if (patch.some((item) => !isDeletion(item) && !has(order, item, strategy))) {
    throw new PatchError(400, 'the patch has items that are not in its $setElementOrder');
  }
  const ordered = order
    .map((item) => merged[positionIn(merged, item, strategy)])
    .filter((item) => item !== undefined);
  const serverOnly = merged.filter((item) => !has(order, item, strategy));
  const result: unknown[] = [];
  while (ordered.length > 0 && serverOnly.length > 0) {
    const left = positionIn(old, ordered[0], strategy);
    const right = positionIn(old, serverOnly[0], strategy);
    result.push(left >= 0 && right >= 0 && left < right ? ordered.shift() : serverOnly.shift());
  }
  return [...result, ...ordered, ...serverOnly];
}

function isDeletion(item: unknown): boolean {
  return isRecord(item) && item['$patch'] === 'delete';
}

function has(list: readonly unknown[], item: unknown, strategy: Exclude<ListStrategy, 'replace'>): boolean {
  return positionIn(list, item, strategy) >= 0;
}

function positionIn(
  list: readonly unknown[],
  item: unknown,
  strategy: Exclude<ListStrategy, 'replace'>,
): number {
  const identity = (one: unknown): unknown =>
    strategy === 'set' ? one : isRecord(one) ? one[strategy.by] : undefined;
  return list.findIndex((one) => sameJson(identity(one), identity(item)));
}
