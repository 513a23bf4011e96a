import { isRecord, sameJson } from './objects.js';

type Step = (value: unknown) => unknown[];

/** A field, an index, all items, or a filter by one field. */
const STEP =
  /\.([A-Za-z0-9_-]+)|\['((?:[^'\\]|\\.)+)'\]|\[(\d+|\*)\]|\[\?\(@((?:\.[A-Za-z0-9_-]+)+)\s*==\s*("(?:[^"\\]|\\.)*"|'[^']*'|-?\d+|true|false)\)\]/gy;

/**
 * The subset of JSONPath that printer columns use: `.spec.path`, `.metadata.labels['a.b/c']`,
 * `.spec.items[0]`, `.status.conditions[?(@.type=="Ready")].status`.
 *
 * @returns undefined for anything else, never a guess.
 */
export function parseJsonPath(path: string): ((root: unknown) => unknown[]) | undefined {
  const steps: Step[] = [];
  let end = 0;
  for (const match of path.matchAll(STEP)) {
    steps.push(stepOf(match));
    end = match.index + match[0].length;
  }
  if (steps.length === 0 || end !== path.length) return undefined;
  return (root) => steps.reduce((values, step) => values.flatMap(step), [root]);
}

function stepOf([, field, quoted, index, filterPath, filterValue]: RegExpExecArray): Step {
  const name = field ?? quoted?.replace(/\\(.)/g, '$1');
  if (name !== undefined) return member(name);
  if (index !== undefined) {
    const from = Number(index);
    return (value) =>
      !Array.isArray(value) ? [] : index === '*' ? value : (value as unknown[]).slice(from, from + 1);
  }
  const wanted: unknown = filterValue?.startsWith("'")
    ? filterValue.slice(1, -1)
    : JSON.parse(filterValue ?? 'null');
  const steps = (filterPath ?? '').split('.').slice(1).map(member);
  return (value) =>
    Array.isArray(value)
      ? value.filter((item: unknown) =>
          steps.reduce((values, step) => values.flatMap(step), [item]).some((one) => sameJson(one, wanted)),
        )
      : [];
}

function member(name: string): Step {
  return (value) => (isRecord(value) && Object.hasOwn(value, name) ? [value[name]] : []);
}
