import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';

import { LoopbackServer } from '../shared/loopback-server.js';
import type { SeenRequest } from '../shared/request-log.js';
import { clientCertificatesOf } from './client-certificates.js';
import { type Lag, VaultCore } from './core.js';
import { KvV1 } from './kv-v1.js';
import { KvV2 } from './kv-v2.js';
import type { Mount } from './mounts.js';
import { badRequest, envelope, fieldsOf, type Operation, type VaultAnswer, VaultFault } from './protocol.js';
import { goJson } from './raw-json.js';
import type { TokenStore } from './tokens.js';

export interface LoopbackVaultOptions {
  readonly tls?: ServerOptions;
  readonly port?: number;
  readonly rootToken?: string;
  /** The initial mounts, such as `{ secret: 'v2' }`; none by default. */
  readonly mounts?: Readonly<Record<string, 'v1' | 'v2'>>;
  /** The server's clock; tests move it to expire tokens. */
  readonly now?: () => Date;
  /** Strings and keys in one body; OpenBao's default is 1000, Vault has no limit. */
  readonly maxJsonStrings?: number;
}

/** The state of one node of the cluster; its status endpoints are not served. */
interface NodeStatus {
  sealed: boolean;
  /** Address of the active node when this one is a standby. */
  activeUrl: string | undefined;
  isRecoverySecondary: boolean;
}

/** Vault's `max_request_size`. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** HashiCorp Vault on loopback: K/V, policies, tokens, auth methods, seal. */
export class LoopbackVault {
  readonly rootToken: string;
  private server!: LoopbackServer;
  private readonly core: VaultCore;
  private readonly status: NodeStatus = { sealed: false, isRecoverySecondary: false, activeUrl: undefined };
  private readonly now: () => Date;
  private port = 0;

  private constructor(private readonly options: LoopbackVaultOptions) {
    this.now = options.now ?? ((): Date => new Date());
    this.core = new VaultCore(this.now);
    this.rootToken = options.rootToken ?? `hvs.root${randomBytes(12).toString('hex')}`;
    this.core.tokens.createRoot(this.rootToken);
    for (const [path, version] of Object.entries(options.mounts ?? {})) this.core.mount(path, version);
  }

  static async start(options: LoopbackVaultOptions = {}): Promise<LoopbackVault> {
    const vault = new LoopbackVault(options);
    vault.server = await LoopbackServer.start(
      (seen, request, response) => vault.serve(seen, request, response),
      {
        maxBodyBytes: 2 * MAX_BODY_BYTES,
        // Vault requests a certificate from every client, and the auth method verifies it.
        ...(options.tls === undefined
          ? {}
          : { tls: { requestCert: true, rejectUnauthorized: false, ...options.tls } }),
        ...(options.port === undefined ? {} : { port: options.port }),
      },
    );
    vault.port = vault.server.port;
    return vault;
  }

  get url(): string {
    return this.server.url;
  }

  get requests(): LoopbackServer['requests'] {
    return this.server.requests;
  }

  get faults(): LoopbackServer['faults'] {
    return this.server.faults;
  }

  /** Connections accepted since the start. */
  get connections(): number {
    return this.server.connections;
  }

  get tokens(): TokenStore {
    return this.core.tokens;
  }

  get serverTime(): Date {
    return this.now();
  }

  seal(): void {
    this.status.sealed = true;
  }

  unseal(): void {
    this.status.sealed = false;
  }

  /** Requests are redirected to the active node; undefined makes this one active again. */
  standby(activeUrl: string | undefined): void {
    this.status.activeUrl = activeUrl;
  }

  /** Sets how long after its login a token is unknown, as on a standby or a secondary cluster. */
  lagBehind(ms: number, options: Omit<Lag, 'ms'> = {}): void {
    this.core.lag = { ms, ...options };
  }

  /** Every K/V v2 mount is being upgraded, by this cluster or by the primary; undefined: done. */
  upgradeMounts(by: 'here' | 'primary' | undefined): void {
    this.core.upgrading = by;
  }

  /** As a disaster recovery secondary, which serves nothing but its status until it is promoted. */
  becomeRecoverySecondary(isOne: boolean): void {
    this.status.isRecoverySecondary = isOne;
  }

  /** Unreachable until {@link restart}; keeps its data. */
  async stop(): Promise<void> {
    await this.server.close();
  }

  async restart(): Promise<void> {
    await this.server.listen(this.port);
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  cutConnections(): void {
    this.server.cutConnections();
  }

  /** Sets the key and certificate for new connections. */
  replaceCertificate(tls: ServerOptions): void {
    this.server.replaceCertificate(tls);
  }

  /** Empties every K/V mount, like a rebuilt Vault. */
  wipe(): void {
    this.core.wipe();
  }

  revokeToken(id: string): void {
    this.tokens.revoke(id);
  }

  /**
   * Puts another engine in the place of a mount, as moving it away and enabling the other does.
   *
   * @returns a function that disables that engine and moves the mount back, with all that it held.
   */
  replaceMount(path: string, engine: Mount, options: Readonly<Record<string, string>> = {}): () => void {
    const { mounts } = this.core.namespaces.root;
    const at = `${path}/`;
    const before = mounts.get(at);
    if (before === undefined) throw new Error(`no mount at ${path}`);
    mounts.remove(at);
    mounts.add(at, engine, { options });
    return () => {
      mounts.remove(at);
      mounts.add(at, before.mount, before.settings);
    };
  }

  /** The K/V v1 mount at a path of the root namespace, for tests to read and change. */
  kvV1(path: string): KvV1 {
    const mount = this.core.namespaces.root.mounts.get(`${path}/`)?.mount;
    if (!(mount instanceof KvV1)) throw new Error(`no K/V v1 mount at ${path}`);
    return mount;
  }

  /** The K/V v2 mount at a path of the root namespace, for tests to read and change. */
  kvV2(path: string): KvV2 {
    const mount = this.core.namespaces.root.mounts.get(`${path}/`)?.mount;
    if (!(mount instanceof KvV2)) throw new Error(`no K/V v2 mount at ${path}`);
    return mount;
  }

  private async serve(seen: SeenRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.handle(seen, request);
      send(response, answer.status, answer.status === 204 ? '' : envelope(answer));
    } catch (error) {
      if (!(error instanceof VaultFault)) throw error;
      for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
      const isBare = error.status === 307 || error.errors[0] === '';
      send(response, error.status, isBare ? '' : `${goJson({ errors: error.errors })}\n`);
    }
  }

  private async handle(seen: SeenRequest, request: IncomingMessage): Promise<VaultAnswer> {
    const [rawPath = '', rawQuery = ''] = splitOnce(request.url ?? '', '?');
    redirectUnclean(rawPath, rawQuery);
    if (!rawPath.startsWith('/v1/')) throw new VaultFault(404, []);
    const path = decode(rawPath.slice('/v1/'.length));
    const query = new URLSearchParams(rawQuery);
    const method = request.method ?? '';
    seen.operation = nameOf(method, path);
    const namespace = header(request, 'x-vault-namespace');
    const operation = operationOf(method, query);
    if (this.status.sealed) throw new VaultFault(503, ['Vault is sealed']);
    if (this.status.isRecoverySecondary) {
      throw new VaultFault(400, ['path disabled in replication DR secondary mode']);
    }
    if (this.status.activeUrl !== undefined) {
      throw new VaultFault(307, [], { location: `${this.status.activeUrl}${request.url ?? ''}` });
    }
    if (Buffer.byteLength(seen.body) > MAX_BODY_BYTES) {
      throw new VaultFault(413, ['http: request body too large']);
    }
    const rules = {
      contentType: header(request, 'content-type'),
      maxJsonStrings: this.options.maxJsonStrings,
    };
    const body = fieldsOf(operation, query, seen.body, rules);
    const clientCertificates = clientCertificatesOf(request.socket);
    const token = tokenOf(request);
    return await this.core.handle({ operation, path, query, body, namespace, token, clientCertificates });
  }
}

export async function startVaultServer(options: LoopbackVaultOptions = {}): Promise<LoopbackVault> {
  return await LoopbackVault.start(options);
}

function operationOf(method: string, query: URLSearchParams): Operation {
  switch (method) {
    case 'GET':
      // Nothing here lists.
      if (query.has('list')) throw unsupported();
      return 'read';
    case 'POST':
    case 'PUT':
      return 'update';
    case 'DELETE':
      return 'delete';
    case 'OPTIONS':
    case 'HEAD':
    case 'PATCH':
      throw unsupported();
    default:
      throw new VaultFault(405, []);
  }
}

function unsupported(): VaultFault {
  return new VaultFault(405, ['1 error occurred:\n\t* unsupported operation\n\n']);
}

const OPERATION_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^sys\/internal\/ui\/mounts/, 'mount-lookup'],
  [/^auth\/token\/lookup/, 'lookup'],
  [/^auth\/token\/renew/, 'renew'],
  [/^auth\/token\/revoke/, 'revoke'],
  [/^auth\/(?!token\/).*\/login(\/[^/]*)?$/, 'login'],
];

/** The operation in the request log: `login`, `lookup`, `renew`, `mount-lookup`, or read, write, … */
function nameOf(method: string, path: string): string {
  const special = OPERATION_NAMES.find(([pattern]) => pattern.test(path))?.[1];
  if (special !== undefined) return special;
  if (method === 'GET') return 'read';
  return method === 'POST' || method === 'PUT' ? 'write' : method.toLowerCase();
}

/** Go's mux redirects paths with doubled slashes and dots to the clean path, before any handler runs. */
function redirectUnclean(path: string, query: string): void {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const clean = `/${kept.join('/')}${path.endsWith('/') && kept.length > 0 ? '/' : ''}`;
  if (clean === path) return;
  const location = query === '' ? clean : `${clean}?${query}`;
  throw new VaultFault(307, [], { location, 'content-type': 'text/html; charset=utf-8' });
}

function decode(path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw badRequest('');
  }
  if (/[\u0000-\u001f\u007f]/.test(decoded)) throw badRequest('');
  return decoded;
}

function tokenOf(request: IncomingMessage): string {
  const own = header(request, 'x-vault-token');
  return own === '' ? (/^Bearer (.+)$/.exec(header(request, 'authorization'))?.[1] ?? '') : own;
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value.trim() : '';
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function send(response: ServerResponse, status: number, body: string): void {
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json');
  response.writeHead(status, { 'cache-control': 'no-store' }).end(body);
}
