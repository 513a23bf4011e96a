import { apiVersionOf, type ResourceKind } from './kinds.js';
import type { KubeObject } from './objects.js';
import { read } from './object-writer.js';
import { notAcceptable } from './status-errors.js';
import { toTable } from './table.js';

/** The representation that a client asks for. */
export interface Rendering {
  readonly as: 'object' | 'table' | 'partial';
  /** For rows of a Table: the whole object, its metadata, or nothing. */
  readonly includeObject: string;
}

/**
 * The first form of an Accept header that this server has.
 *
 * @throws ApiError 406 when it has none of them.
 */
export function negotiate(accept: string | undefined, includeObject: string | null): Rendering {
  const include = includeObject ?? 'Metadata';
  for (const range of (accept ?? '*/*').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    if (!['application/json', 'application/*', '*/*', ''].includes(type)) continue;
    const values = new Map(parameters.map((part) => part.split('=', 2) as [string, string]));
    const as = values.get('as');
    if (as === undefined) return { as: 'object', includeObject: include };
    if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') continue;
    if (as === 'Table') return { as: 'table', includeObject: include };
    if (as.startsWith('PartialObjectMetadata')) return { as: 'partial', includeObject: include };
  }
  throw notAcceptable();
}

export function renderObject(stored: KubeObject, kind: ResourceKind, rendering: Rendering): unknown {
  const object = read(stored, kind);
  if (rendering.as === 'table') {
    return toTable(kind.custom?.columns, [object], rendering.includeObject, {
      resourceVersion: object.metadata.resourceVersion ?? '',
    });
  }
  return rendering.as === 'partial' ? partial(object) : object;
}

export function renderList(
  stored: readonly KubeObject[],
  kind: ResourceKind,
  rendering: Rendering,
  metadata: Record<string, unknown>,
): unknown {
  const objects = stored.map((object) => read(object, kind));
  if (rendering.as === 'table')
    return toTable(kind.custom?.columns, objects, rendering.includeObject, metadata);
  if (rendering.as === 'partial') {
    const items = objects.map(partial);
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items };
  }
  // Items of built-in kinds come without kind and apiVersion, as from the real server.
  const items =
    kind.custom === undefined
      ? objects.map(({ kind: _kind, apiVersion: _version, ...rest }) => rest)
      : objects;
  // Lists of custom resources always have `continue`, even if it is empty.
  const own = kind.custom === undefined ? metadata : { continue: '', ...metadata };
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata: own, items };
}

function partial(object: KubeObject): Record<string, unknown> {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
