/** Deeper values are not compared: no resource is nested this deep, and the recursion needs a limit. */
const MAX_DEPTH = 64;

/** Equality of parsed JSON, ignoring the order of members. Values that are too deep are not equal. */
export function sameJson(a: unknown, b: unknown, depth = 0): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (depth >= MAX_DEPTH || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index], depth + 1));
  }
  const entries = Object.entries(a);
  if (entries.length !== Object.keys(b).length) return false;
  return entries.every(
    ([key, value]) =>
      Object.hasOwn(b, key) && sameJson(value, (b as Record<string, unknown>)[key], depth + 1),
  );
}
