import { isDeepStrictEqual } from 'node:util';

import type { Kind } from '../api/group.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Remembers which status fields the API server drops because its CRD is older; otherwise every sync would find a
 * difference and patch again. Kept for the life of the process, since CRDs and operator are upgraded together; a
 * field that appears in an object is patched again from then on.
 */
export class DroppedFields {
  private readonly byKind = new Map<Kind, Set<string>>();
  /** Per object, the requested and the stored value. */
  private readonly altered = new Map<string, { readonly asked: Fields; readonly stored: Fields }>();

  /**
   * The merge patch (RFC 7386) from `current` to `desired`; undefined when the server would keep nothing of it.
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

  /** Compares the request with the server's answer. @returns the fields that were dropped for the first time. */
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
