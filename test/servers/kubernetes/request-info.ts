import { badRequest, noSuchResource } from './status-errors.js';

/** The RequestInfo of the real server, resolved from method and path. */
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
  const { pathname, searchParams: query } = new URL(`https://loopback.invalid${url}`);
  const below = pathname === prefix || pathname.startsWith(`${prefix}/`);
  if (!below && !ALWAYS_AT_ROOT.includes(pathname)) throw noSuchResource();
  const path = below ? pathname.slice(prefix.length) || '/' : pathname;
  const parts = partsOf(path);
  const plain = { path, query, ...NO_RESOURCE };
  const [root, ...afterRoot] = parts;
  // `/api/<version>/…` or `/apis/<group>/<version>/…`; shorter paths are discovery.
  const [group, version, ...rest] = root === 'api' ? ['', ...afterRoot] : afterRoot;
  const isResource = (root === 'api' || root === 'apis') && rest.length > 0;
  if (!isResource || group === undefined || version === undefined) {
    return { ...plain, isResource: false, verb: method.toLowerCase() };
  }
  const { namespace, resource, name, subresource } = targetOf(rest);
  const verb = verbOf(method, name, query);
  // A list of one name is authorized by that name.
  const selected = /^metadata\.name==?([^,]+)$/.exec(query.get('fieldSelector') ?? '')?.[1] ?? '';
  const ofMany = ['list', 'watch', 'deletecollection'].includes(verb);
  return {
    ...plain,
    isResource: true,
    verb,
    group,
    version,
    namespace,
    resource,
    name: ofMany ? selected : name,
    subresource,
  };
}

const NO_RESOURCE = { group: '', version: '', namespace: '', resource: '', name: '', subresource: '' };

function partsOf(path: string): string[] {
  try {
    return path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    throw badRequest(`the path is not properly escaped: ${path}`);
  }
}

function targetOf(
  parts: readonly string[],
): Pick<RequestInfo, 'namespace' | 'resource' | 'name' | 'subresource'> {
  const [first, second = '', third = ''] = parts;
  const inNamespace = first === 'namespaces' && second !== '';
  // `namespaces/x/status` is about the namespace itself, and so is `namespaces/x`.
  const ofNamespace = parts.length <= 2 || ['status', 'finalize'].includes(third);
  const own = inNamespace && !ofNamespace ? parts.slice(2) : parts;
  if (own.length > 3) throw noSuchResource();
  const [resource = '', name = '', subresource = ''] = own;
  return { namespace: inNamespace ? second : '', resource, name, subresource };
}

function verbOf(method: string, name: string, query: URLSearchParams): string {
  if (name === '' && method === 'GET') return isTrue(query.get('watch')) ? 'watch' : 'list';
  if (name === '' && method === 'DELETE') return 'deletecollection';
  return VERBS[method] ?? method.toLowerCase();
}

/** `watch`, `watch=`, `watch=1` and `watch=true` all mean yes. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0';
}
