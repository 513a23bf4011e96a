import { isDeepStrictEqual } from 'node:util';

import type { Kind } from '../api/group.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Remembers what the API server does not store of our statuses, because its CRD is older: without it
 * every sync would find a difference and patch again. For the life of the process, as CRD and operator
 * are upgraded together; a field that shows up in an object counts again at once.
 */
export class DroppedFields {
  private readonly byKind = new Map<Kind, Set<string>>();
  /** Per object, what was asked for and what was stored instead. */
  private readonly altered = new Map<string, { readonly asked: Fields; readonly stored: Fields }>();

  /**
   * The merge patch (RFC 7386) that brings `current` to `desired`; undefined when there is nothing to
   * do that the server would keep.
   */
  patchFor(kind: Kind, object: string, current: Fields, desired: Fields): Fields | undefined {
    const dropped = this.byKind.get(kind);
    for (const field of Object.keys(current)) dropped?.delete(field);
    const altered = this.altered.get(object);
    const patch: Record<string, unknown> = {};
    for (const field of new Set([...Object.keys(current), ...Object.keys(desired)])) {
      const value = desired[field];
      if (dropped?.has(field) === true || isDeepStrictEqual(current[field], value)) continue;
      const asIsPossible =
        altered !== undefined &&
        field in altered.asked &&
        isDeepStrictEqual(altered.asked[field], value) &&
        isDeepStrictEqual(altered.stored[field], current[field]);
      if (!asIsPossible) patch[field] = value ?? null;
    }
    return Object.keys(patch).length > 0 ? patch : undefined;
  }

  /** Compares what was asked for with the server's answer. @returns fields dropped for the first time. */
  learn(kind: Kind, object: string, patch: Fields, stored: Fields): string[] {
    const dropped = this.byKind.get(kind) ?? new Set<string>();
    this.byKind.set(kind, dropped);
    const fresh: string[] = [];
    const asked: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(patch)) {
      if (value === null || isDeepStrictEqual(stored[field], value)) continue;
      if (stored[field] === undefined) {
        dropped.add(field);
        fresh.push(field);
      } else asked[field] = value;
    }
    if (Object.keys(asked).length > 0) this.altered.set(object, { asked, stored });
    else this.altered.delete(object);
    return fresh;
  }

  forget(object: string): void {
    this.altered.delete(object);
  }
}
