import type { FindingPlace, FindingSink } from '../../admission/review-findings.js';
import { printable } from '../../api/printable.js';
import { itemsIn, type ManifestResource, record } from '../files/manifest-resource.js';
import type { Problem } from './problem.js';

type Path = readonly (string | number)[];

/** Gives each finding its place in the file; one problem per key. */
export class PlacedFindings implements FindingSink {
  private readonly keys: ReadonlyMap<unknown, number>;

  constructor(
    private readonly file: string,
    private readonly resource: ManifestResource,
    private readonly severity: Problem['severity'],
    private readonly problems: Problem[],
    /** Comes before each text. */
    private readonly prefix = '',
  ) {
    const entries = itemsIn(resource.object).map((item, index) => [record(item).key, index] as const);
    // The first of several items with one key.
    this.keys = new Map(entries.reverse());
  }

  add(code: string, text: string, { key, field }: FindingPlace = {}): void {
    const path = key === undefined ? pathOf(field ?? '') : this.pathOfItem(key, field);
    this.addAt(
      code,
      `${key === undefined ? '' : `key "${printable(key)}": `}${this.prefix}${text}`,
      path,
      key,
    );
  }

  addUnnamed(count: number): void {
    if (count > 0) this.addAt('More', `and ${String(count)} more problems`, []);
  }

  private addAt(code: string, message: string, path: Path, key?: string): void {
    const { line, column } = this.resource.positionOf(path);
    const { file, severity, resource } = this;
    const problem = { file, line, column, severity, code, message, resource: resource.title };
    this.problems.push(key === undefined ? problem : { ...problem, key });
  }

  private pathOfItem(key: string, field: string | undefined): Path {
    const index = this.keys.get(key);
    if (index === undefined) return ['spec', 'secrets'];
    return ['spec', 'secrets', index, ...(field === undefined ? [] : [field])];
  }
}

/** `spec.secrets[3].key` as steps. */
function pathOf(field: string): Path {
  return [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([step, index]) =>
    index === undefined ? step : Number(index),
  );
}
