import { isDeepStrictEqual } from 'node:util';

import { GROUP, type Kind, PARTIAL_KIND, SECRET_KIND } from '../../api/group.js';
import { AuthorError } from '../author-error.js';
import {
  type Change,
  type EditableSource,
  holds,
  itemsIn,
  ManifestResource,
  objectAt,
  record,
  type ResourceAddress,
} from './manifest-resource.js';
import { applySplices, type Splice } from './splices.js';
import { cannotEdit } from './yaml-ranges.js';
import { parseYaml, type YamlProblem, type YamlSource } from './yaml-source.js';

/**
 * A file of manifests. Every change replaces only the characters that it must, so comments, order, anchors, quoting,
 * line ends and other documents stay as they are; and it is checked that no other value has changed.
 */
export class ManifestFile {
  private parsed: YamlSource;
  /** Those of our two kinds, also in a `kind: List`, in the order of the file. */
  readonly resources: readonly ManifestResource[];

  private constructor(
    readonly path: string,
    /** As it was read. */
    readonly original: string,
  ) {
    this.parsed = parseYaml(original);
    const file: EditableSource = {
      source: () => this.parsed,
      change: (change, splices) => {
        this.change(change, splices);
      },
    };
    this.resources = addressesIn(this.parsed.objects).map(
      ({ kind, address }) => new ManifestResource(kind, file, address),
    );
  }

  /** Never throws for bad YAML; see {@link problems}. */
  static parse(path: string, text: string): ManifestFile {
    return new ManifestFile(path, text);
  }

  /** A file with problems cannot be changed; documents with one have no resources. */
  get problems(): readonly YamlProblem[] {
    return this.parsed.problems;
  }

  /** With all changes. */
  get text(): string {
    return this.parsed.text;
  }

  private change(change: Change, splices: readonly Splice[]): void {
    const [problem] = this.problems;
    if (problem !== undefined) {
      const { line, column } = problem.at;
      throw new AuthorError(`${this.path}:${String(line)}:${String(column)}: ${problem.message}`);
    }
    const next = parseYaml(applySplices(this.parsed.text, splices));
    if (next.problems.length > 0 || !onlyChanged(this.parsed.objects, next.objects, change))
      throw cannotEdit();
    this.parsed = next;
  }
}

/** Whether two versions of a file differ in the changed items and in nothing else. */
function onlyChanged(before: readonly unknown[], after: readonly unknown[], change: Change): boolean {
  const old = changedItems(before, change);
  const found = changedItems(after, change);
  for (const [key, value] of change.items) {
    const items = found.get(key) ?? [];
    if (items.length !== (value === undefined ? 0 : 1)) return false;
    if (value !== undefined && !holds(items[0], old.get(key)?.[0], value)) return false;
  }
  return isDeepStrictEqual(withoutItems(before, change), withoutItems(after, change));
}

function changedItems(objects: readonly unknown[], { address, items }: Change): Map<unknown, unknown[]> {
  const found = new Map<unknown, unknown[]>();
  for (const item of itemsIn(objectAt(objects, address))) {
    const { key } = record(item);
    if (items.has(key as string)) found.set(key, [...(found.get(key) ?? []), item]);
  }
  return found;
}

function withoutItems(objects: readonly unknown[], { address, items }: Change): unknown {
  const copy = structuredClone(objects);
  const resource = record(objectAt(copy, address));
  const spec = record(resource.spec);
  const rest = itemsIn(resource).filter((item) => !items.has(record(item).key as string));
  // A list, or a spec, that was missing before may be there now.
  if (rest.length > 0) spec.secrets = rest;
  else delete spec.secrets;
  if (Object.keys(spec).length === 0) delete resource.spec;
  return copy;
}

function addressesIn(objects: readonly unknown[]): { kind: Kind; address: ResourceAddress }[] {
  return objects.flatMap((object, document) => {
    const { kind, items } = record(object);
    const members =
      kind === 'List' && Array.isArray(items)
        ? items.map((member: unknown, item) => ({ member, item }))
        : [{ member: object, item: undefined }];
    return members.flatMap(({ member, item }) => {
      const ours = kindOf(member);
      return ours === undefined ? [] : [{ kind: ours, address: { document, item } }];
    });
  });
}

/** A patch for kustomize may do without an apiVersion. */
function kindOf(object: unknown): Kind | undefined {
  const { apiVersion = `${GROUP}/`, kind } = record(object);
  if (typeof apiVersion !== 'string' || !apiVersion.startsWith(`${GROUP}/`)) return undefined;
  return kind === SECRET_KIND || kind === PARTIAL_KIND ? kind : undefined;
}
