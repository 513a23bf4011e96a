import { noSuchResource } from './status-errors.js';

/** What a request is about, as the real server's RequestInfo resolves it from method and path. */
export interface RequestInfo {
  readonly isResource: boolean;
  readonly path: string;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
}

/** A server with a path prefix serves these at its root, too, as kcp does. */
const ALWAYS_AT_ROOT = ['/healthz', '/livez', '/readyz', '/version'];

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/**
 * @param prefix - the path below which the API is served; `''` or `/clusters/root:e2e`.
 * @throws ApiError 404 for a path that is not below the prefix.
 */
export function resolveRequest(method: string, url: string, prefix: string): RequestInfo {
  const parsed = new URL(url, 'https://loopback.invalid');
  const below = parsed.pathname === prefix || parsed.pathname.startsWith(`${prefix}/`);
  if (!below && !ALWAYS_AT_ROOT.includes(parsed.pathname)) throw noSuchResource();
  const path = below ? parsed.pathname.slice(prefix.length) || '/' : parsed.pathname;
  const query = parsed.searchParams;
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const plain: RequestInfo = {
    isResource: false,
    path,
    verb: method.toLowerCase(),
    group: '',
    version: '',
    namespace: '',
    resource: '',
    name: '',
    subresource: '',
    query,
  };
  const atCore = parts[0] === 'api';
  if ((!atCore && parts[0] !== 'apis') || parts.length < (atCore ? 3 : 4)) return plain;
  const group = atCore ? '' : (parts[1] ?? '');
  const version = (atCore ? parts[1] : parts[2]) ?? '';
  let rest = parts.slice(atCore ? 2 : 3);
  let namespace = '';
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1] ?? '';
    // `namespaces/x/status` is about the namespace itself, and so is `namespaces/x`.
    if (rest.length > 2 && !['status', 'finalize'].includes(rest[2] ?? '')) rest = rest.slice(2);
  }
  const [resource = '', name = '', subresource = ''] = rest;
  if (rest.length > 3) throw noSuchResource();
  let verb = VERBS[method] ?? method.toLowerCase();
  if (verb === 'get' && name === '') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
  if (verb === 'delete' && name === '') verb = 'deletecollection';
  const selected = /^metadata\.name==?([^,]+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return {
    ...plain,
    isResource: true,
    verb,
    group,
    version,
    namespace,
    resource,
    // A list of one name is authorized by that name.
    name: name === '' && ['list', 'watch', 'deletecollection'].includes(verb) ? (selected ?? '') : name,
    subresource,
  };
}

/** `watch`, `watch=`, `watch=1` and `watch=true` all mean yes. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0';
}
