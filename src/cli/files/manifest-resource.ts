import { isDeepStrictEqual } from 'node:util';

import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import type { Kind } from '../../api/group.js';
import { AuthorError } from '../author-error.js';
import { appendSplices, removalSplices, styleOf } from './item-lists.js';
import { type ItemValue, itemSplices, type Surroundings } from './item-values.js';
import type { Splice } from './splices.js';
import { isMissing, keyOf, mapOf, pairOf, startOf, throughAlias, valueOf } from './yaml-ranges.js';
import type { Position, YamlDocument, YamlSource } from './yaml-source.js';

/** Where a resource stands in its file. */
export interface ResourceAddress {
  readonly document: number;
  /** In the `items` of a `kind: List`. */
  readonly item: number | undefined;
}

/** New values of items by key; undefined: the item is removed. */
export interface Change {
  readonly address: ResourceAddress;
  readonly items: ReadonlyMap<string, ItemValue | undefined>;
}

/** What a resource needs of its file. */
export interface EditableSource {
  /** The file as it is now. */
  readonly source: () => YamlSource;
  /**
   * Makes a change, once it is sure that nothing but the items changes.
   *
   * @throws AuthorError
   */
  readonly change: (change: Change, splices: readonly Splice[]) => void;
}

interface FoundItem {
  readonly list: YAMLSeq;
  readonly pair: Pair;
  readonly index: number;
  readonly item: YAMLMap;
}

/** A `KMSVaultSecret` or `PartialKMSVaultSecret` in a file. It stays usable while the file is changed. */
export class ManifestResource {
  constructor(
    readonly kind: Kind,
    private readonly file: EditableSource,
    private readonly address: ResourceAddress,
  ) {}

  /** What the API server would get: aliases and merge keys are resolved. A copy of its own. */
  get object(): unknown {
    return objectAt(this.file.source().objects, this.address);
  }

  get name(): string | undefined {
    return this.metadata('name');
  }

  get namespace(): string | undefined {
    return this.metadata('namespace');
  }

  /** `KMSVaultSecret team/web`, for messages. */
  get title(): string {
    const { namespace, name = '(without a name)' } = this;
    return `${this.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
  }

  /** The value of an annotation, if it is a text. */
  annotation(name: string): string | undefined {
    const { annotations } = record(record(this.object).metadata) as { annotations?: unknown };
    const value = record(annotations)[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Where a field stands, such as `['spec', 'secrets', 0, 'key']`; the nearest node around it that exists. */
  positionOf(path: readonly (string | number)[]): Position {
    const { document, node } = this.node();
    let at: Node = node;
    let current: Node | undefined = node;
    for (const step of path) {
      if (isAlias(current)) current = current.resolve(document);
      const next = stepInto(current, step);
      if (next === undefined) break;
      at = next;
      current = next;
    }
    return this.file.source().positionAt(startOf(at));
  }

  /**
   * Gives an item a new value, or appends an item in the style of its list.
   *
   * @throws AuthorError when something else than the item would change: an anchor that others use, an item that comes
   *   from an alias or a merge key.
   */
  setItem(key: string, value: ItemValue): void {
    this.setItems(new Map([[key, value]]));
  }

  /** {@link setItem} for several items at once, which parses the file only once. */
  setItems(items: ReadonlyMap<string, ItemValue>): void {
    const around = this.surroundings();
    const splices: Splice[] = [];
    const added = new Map<string, ItemValue>();
    for (const [key, value] of items) {
      const found = this.find(key);
      if (found === undefined) added.set(key, value);
      else {
        const ofItem = itemSplices(key, found.item, value, around);
        this.refuseShared(key, found.item, ofItem);
        splices.push(...ofItem);
      }
    }
    if (added.size > 0) splices.push(...appendSplices(this.root(), added, around));
    if (items.size > 0) this.file.change({ address: this.address, items }, splices);
  }

  /** @throws AuthorError as {@link setItem}, and when there is no such item. */
  removeItem(key: string): void {
    const found = this.find(key);
    if (found === undefined) throw new AuthorError(`${this.title} has no item ${JSON.stringify(key)}`);
    const { list, pair, index } = found;
    const splices = removalSplices(list, pair, index, this.file.source().text);
    this.file.change({ address: this.address, items: new Map([[key, undefined]]) }, splices);
  }

  private metadata(field: string): string | undefined {
    const value = record(record(this.object).metadata)[field];
    return typeof value === 'string' ? value : undefined;
  }

  private node(): { readonly document: YamlDocument; readonly node: Node } {
    const document = this.file.source().documents[this.address.document];
    if (document?.contents === undefined || document.contents === null) return fail();
    const { item } = this.address;
    if (item === undefined) return { document, node: document.contents };
    const items = valueOf(pairOf(document.contents as unknown as YAMLMap, 'items') ?? fail());
    const list = isAlias(items) ? items.resolve(document) : items;
    return { document, node: isSeq(list) ? (list.items[item] as Node) : fail() };
  }

  private root(): YAMLMap {
    const { node } = this.node();
    if (!isMap(node)) throw throughAlias(this.title);
    return node;
  }

  private surroundings(): Surroundings {
    const { text } = this.file.source();
    return { text, style: styleOf(this.node().document.contents as unknown as Node, text) };
  }

  private find(key: string): FoundItem | undefined {
    const resolved = itemsIn(this.object).filter((item) => record(item).key === key);
    if (resolved.length === 0) return undefined;
    const named = `the item ${JSON.stringify(key)}`;
    if (resolved.length > 1)
      throw new AuthorError(`${this.title} has ${named} twice: remove one of both first`);
    const spec = mapOf(pairOf(this.root(), 'spec'), 'spec');
    const pair = spec === undefined ? undefined : pairOf(spec, 'secrets');
    const list = pair === undefined ? undefined : valueOf(pair);
    if (pair === undefined || !isSeq(list)) throw throughAlias('spec.secrets');
    const index = (list.items as Node[]).findIndex((item) => {
      const pairOfKey = isMap(item) ? pairOf(item, 'key') : undefined;
      const value = pairOfKey === undefined ? undefined : valueOf(pairOfKey);
      return isScalar(value) && value.value === key;
    });
    const item = list.items[index] as Node | undefined;
    if (!isMap(item)) throw throughAlias(named);
    return { list, pair, index, item };
  }

  /** A text with an anchor that an alias uses would change in both places. */
  private refuseShared(key: string, item: YAMLMap, splices: readonly Splice[]): void {
    const { document } = this.node();
    const anchors = new Set<string>();
    visit(item, {
      Node(_, node) {
        const { anchor } = node as { anchor?: string };
        if (anchor !== undefined && splices.some(({ start }) => start === startOf(node))) anchors.add(anchor);
      },
    });
    if (anchors.size === 0) return;
    visit(document, {
      Alias(_, alias: Alias) {
        if (anchors.has(alias.source)) {
          throw new AuthorError(
            `the value of ${JSON.stringify(key)} has the anchor &${alias.source}, which an alias uses, so both would change: ` +
              'write the value in place of the alias first',
          );
        }
      },
    });
  }
}

/** The node that a field or an index leads to; the key of a field without a value. */
function stepInto(node: Node | undefined, step: string | number): Node | undefined {
  if (isSeq(node)) return node.items[Number(step)] as Node | undefined;
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  if (pair === undefined) return undefined;
  const value = valueOf(pair);
  return value === undefined || isMissing(value) ? keyOf(pair) : value;
}

/** The items of a resource, whatever they are. */
export function itemsIn(object: unknown): readonly unknown[] {
  const { secrets } = record(record(object).spec) as { secrets?: unknown };
  return Array.isArray(secrets) ? secrets : [];
}

export function objectAt(objects: readonly unknown[], { document, item }: ResourceAddress): unknown {
  const object = objects[document];
  if (item === undefined) return object;
  const { items } = record(object) as { items?: unknown };
  return Array.isArray(items) ? (items[item] as unknown) : undefined;
}

/** Whether an item holds what it was given; the other fields are those of the old one. */
export function holds(item: unknown, old: unknown, value: ItemValue): boolean {
  const { encryptedSecret, emptySecret, secretContext, ...rest } = record(item);
  const { encryptedSecret: _e, emptySecret: _m, secretContext: oldContext, ...oldRest } = record(old);
  if (old !== undefined && !isDeepStrictEqual(rest, oldRest)) return false;
  if ('emptySecret' in value) {
    return (
      emptySecret === true && (encryptedSecret ?? '') === '' && isDeepStrictEqual(secretContext, oldContext)
    );
  }
  const text = typeof encryptedSecret === 'string' ? encryptedSecret.replace(/[\r\n]/g, '') : undefined;
  const context = value.secretContext ?? oldContext;
  return text === value.encryptedSecret && emptySecret !== true && isDeepStrictEqual(secretContext, context);
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function fail(): never {
  throw new Error('the resource is not in its file any more');
}
