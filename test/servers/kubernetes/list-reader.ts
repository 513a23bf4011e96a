import type { ResourceKind } from './kinds.js';
import { isRecord, type KubeObject } from './objects.js';
import { fieldSelector, type Selector } from './selectors.js';
import { ApiError, badRequest, expired, invalid } from './status-errors.js';
import { keyOf, type Storage } from './storage.js';

export interface ListResult {
  readonly items: readonly KubeObject[];
  readonly metadata: Record<string, unknown>;
}

/** The field selector of a query, and whether there is one. @throws ApiError 400 also for a label selector */
export function selectorsOf(query: URLSearchParams, kind: ResourceKind): { selects: Selector; any: boolean } {
  if ((query.get('labelSelector') ?? '') !== '') throw badRequest('this server knows no label selectors');
  const fields = query.get('fieldSelector') ?? '';
  return { selects: fieldSelector(fields, kind), any: fields !== '' };
}

/** A resourceVersion of a query; undefined when absent. @throws ApiError 400 */
export function revisionOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^\d+$/.test(text))
    throw badRequest(`invalid resource version: strconv.ParseUint: parsing "${text}": invalid syntax`);
  return Number(text);
}

/** Lists with selectors, pages and resourceVersion, each page from the snapshot of the first. */
export function listObjects(
  storage: Storage,
  kind: ResourceKind,
  namespace: string,
  query: URLSearchParams,
): ListResult {
  const { selects, any } = selectorsOf(query, kind);
  const wanted = revisionOf(query.get('resourceVersion'));
  const match = query.get('resourceVersionMatch') ?? '';
  const next = query.get('continue') ?? '';
  checkOptions(match, wanted, next);
  const exact = match === 'Exact' ? wanted : undefined;
  const { revision, after } =
    next === '' ? { revision: exact ?? storage.revision, after: '' } : readContinue(next);
  if (wanted !== undefined && wanted > storage.revision) throw tooLarge(wanted, storage.revision);
  const snapshot = storage.listAt(kind.place, namespace, revision);
  if (snapshot === undefined) {
    throw expired(
      next === ''
        ? `The resourceVersion for the provided list is too old.`
        : 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.',
    );
  }
  // The watch cache, which serves resourceVersion 0, does not paginate.
  const limit = wanted === 0 && next === '' ? 0 : limitOf(query);
  const all = snapshot.filter((object) => selects(object) && keyOfObject(object) > after);
  const items = limit > 0 ? all.slice(0, limit) : all;
  const left = all.length - items.length;
  return {
    items,
    metadata: { resourceVersion: String(revision), ...pageMetadata(items, left, revision, any) },
  };
}

function pageMetadata(
  items: readonly KubeObject[],
  left: number,
  revision: number,
  selected: boolean,
): Record<string, unknown> {
  const last = items.at(-1);
  if (last === undefined || left === 0) return {};
  const next = { continue: writeContinue(revision, keyOfObject(last)) };
  // With a selector, the real server does not know the remaining count.
  return selected ? next : { ...next, remainingItemCount: left };
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') ?? '0';
  if (!/^\d+$/.test(text)) throw badRequest(`invalid limit: ${text}`);
  return Number(text);
}

function keyOfObject(object: KubeObject): string {
  return keyOf(object.metadata.namespace ?? '', object.metadata.name);
}

function checkOptions(match: string, wanted: number | undefined, next: string): void {
  const refuse = (message: string): never => {
    const cause = { reason: 'FieldValueForbidden', message, field: 'resourceVersionMatch' };
    throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [cause]);
  };
  if (match !== '' && match !== 'Exact' && match !== 'NotOlderThan') {
    refuse(`Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`);
  }
  if (match !== '' && wanted === undefined) {
    refuse('Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  if (match === 'Exact' && wanted === 0) {
    refuse('Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (next !== '' && wanted !== undefined && wanted !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
}

function tooLarge(wanted: number, current: number): ApiError {
  return new ApiError(
    504,
    'Timeout',
    `Timeout: Too large resource version: ${String(wanted)}, current: ${String(current)}`,
    {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  );
}

function writeContinue(revision: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString(
    'base64url',
  );
}

function readContinue(text: string): { revision: number; after: string } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (isRecord(value) && typeof value['rv'] === 'number' && typeof value['start'] === 'string') {
      return { revision: value['rv'], after: value['start'] };
    }
  } catch {
    // Falls through to the refusal.
  }
  throw badRequest('continue key is not valid: illegal base64 data');
}
