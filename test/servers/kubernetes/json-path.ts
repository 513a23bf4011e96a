import { isRecord } from './objects.js';

/**
 * Evaluates the JSONPath subset of printer columns: fields, indices and one filter,
 * `.status.conditions[?(@.type=="Ready")].status`.
 *
 * @returns every match, in order.
 */
export function evaluateJsonPath(path: string, root: unknown): unknown[] {
  let values: unknown[] = [root];
  for (const match of path.matchAll(
    /\.([A-Za-z0-9_-]+)|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)==["']([^"']*)["']\)\]/g,
  )) {
    const [, field, index, filterField, filterValue] = match;
    values = values.flatMap((value): unknown[] => {
      if (field !== undefined) return isRecord(value) && Object.hasOwn(value, field) ? [value[field]] : [];
      if (!Array.isArray(value)) return [];
      if (index !== undefined) return index === '*' ? value : value.slice(Number(index), Number(index) + 1);
      return value.filter((item) => isRecord(item) && item[filterField ?? ''] === filterValue);
    });
  }
  return values;
}
