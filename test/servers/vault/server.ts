import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';

import { LoopbackServer } from '../shared/loopback-server.js';
import type { SeenRequest } from '../shared/request-log.js';
import { KvV1 } from './kv-v1.js';
import { KvV2 } from './kv-v2.js';
import { capabilitiesOn } from './policies.js';
import { envelope, goEscape, type Operation, parseBody, type VaultAnswer, VaultFault } from './protocol.js';
import { System, VaultNamespace } from './sys.js';
import { type Token, TokenStore } from './tokens.js';

export interface LoopbackVaultOptions {
  readonly tls?: ServerOptions;
  readonly port?: number;
  readonly rootToken?: string;
  /** Mounts to begin with: `{ secret: 'v2' }`. */
  readonly mounts?: Readonly<Record<string, 'v1' | 'v2'>>;
  /** The server's clock; tests move it to let tokens end. */
  readonly now?: () => Date;
}

interface Route {
  readonly operation: Operation;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly namespace: VaultNamespace;
}

/** HashiCorp Vault on loopback: K/V, policies, tokens, auth methods, seal. */
export class LoopbackVault {
  readonly rootToken: string;
  readonly tokens: TokenStore;
  server!: LoopbackServer;
  private readonly now: () => Date;
  private readonly namespaces = new Map<string, VaultNamespace>([['', new VaultNamespace()]]);
  private readonly system: System;
  private sealed = false;
  private standbyFor: string | undefined;
  private port = 0;

  private constructor(options: LoopbackVaultOptions) {
    this.now = options.now ?? ((): Date => new Date());
    this.tokens = new TokenStore(this.now);
    this.rootToken = options.rootToken ?? `hvs.root-${randomBytes(12).toString('hex')}`;
    this.tokens.createRoot(this.rootToken);
    this.system = new System({
      tokens: this.tokens,
      namespaces: this.namespaces,
      now: this.now,
      seal: () => {
        this.seal();
      },
    });
    for (const [path, version] of Object.entries(options.mounts ?? {})) {
      this.root.mounts.add(path, version === 'v1' ? new KvV1() : new KvV2(this.now));
    }
  }

  static async start(options: LoopbackVaultOptions = {}): Promise<LoopbackVault> {
    const vault = new LoopbackVault(options);
    vault.server = await LoopbackServer.start(
      (seen, request, response) => vault.serve(seen, request, response),
      {
        ...(options.tls === undefined ? {} : { tls: options.tls }),
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

  get root(): VaultNamespace {
    return this.namespaces.get('') as VaultNamespace;
  }

  seal(): void {
    this.sealed = true;
  }

  unseal(): void {
    this.sealed = false;
  }

  /** Requests are redirected to the active node; undefined makes this one active again. */
  standby(activeUrl: string | undefined): void {
    this.standbyFor = activeUrl;
  }

  /** Not reachable until {@link restart}; nothing is lost. */
  async stop(): Promise<void> {
    await this.server.close();
  }

  async restart(): Promise<void> {
    await this.server.listen(this.port);
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  /** Empties every K/V mount, as a Vault that was rebuilt. */
  wipe(): void {
    for (const [, mount] of this.root.mounts.entries()) mount.wipe();
  }

  /** The K/V mount at a path, for a test to look into or to tamper with. */
  kvV1(path: string): KvV1 {
    return this.root.mounts.get(path) as KvV1;
  }

  kvV2(path: string): KvV2 {
    return this.root.mounts.get(path) as KvV2;
  }

  private async serve(seen: SeenRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.handle(seen, request);
      if (answer.status === 204) response.writeHead(204).end();
      else send(response, answer.status, envelope(answer));
    } catch (error) {
      if (!(error instanceof VaultFault)) throw error;
      for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
      send(response, error.status, goEscape(`${JSON.stringify({ errors: error.errors })}\n`));
    }
  }

  private async handle(seen: SeenRequest, request: IncomingMessage): Promise<VaultAnswer> {
    const url = new URL(request.url ?? '', 'http://vault');
    if (!url.pathname.startsWith('/v1/')) throw new VaultFault(404, []);
    const path = decode(url.pathname.slice('/v1/'.length));
    if (path.split('/').some((segment) => segment === '..' || segment === '.')) {
      throw new VaultFault(400, ['path cannot contain relative segments']);
    }
    const operation = operationOf(request.method ?? '', url.searchParams);
    seen.operation = `${operation} ${path.split('/')[0] ?? ''}`;
    if (path === 'sys/health') return this.health(url.searchParams);
    if (path === 'sys/seal-status')
      return { status: 200, raw: JSON.stringify({ initialized: true, sealed: this.sealed }) };
    if (path === 'sys/unseal') this.unseal();
    if (path === 'sys/unseal') return { status: 200, raw: JSON.stringify({ sealed: false }) };
    if (this.sealed) throw new VaultFault(503, ['Vault is sealed']);
    if (this.standbyFor !== undefined) {
      throw new VaultFault(307, [], { location: `${this.standbyFor}${request.url ?? ''}` });
    }
    const namespace = this.namespaceOf(request);
    return await this.route({ operation, path, query: url.searchParams, namespace }, seen, request);
  }

  private async route(route: Route, seen: SeenRequest, request: IncomingMessage): Promise<VaultAnswer> {
    const { namespace, query } = route;
    const body = parseBody(route.operation === 'read' || route.operation === 'list' ? '' : seen.body);
    const auth = route.path.startsWith('auth/')
      ? namespace.auths.find(route.path.slice('auth/'.length))
      : undefined;
    if (auth?.mount.isLogin(auth.rest) === true) {
      return await auth.mount.handle({ operation: 'update', path: auth.rest, query, body });
    }
    if (auth === undefined && /^auth\/(?!token\/).*\/login(\/[^/]+)?$/.test(route.path))
      throw noHandler(route.path);
    const token = this.tokenOf(request);
    const tokenPath = /^auth\/token\/(.+)$/.exec(route.path)?.[1];
    const isLookup = route.path.startsWith('sys/internal/ui/mounts');
    const mount = namespace.mounts.find(route.path);
    const operation =
      mount === undefined ? route.operation : refine(route.operation, mount.mount.exists(mount.rest));
    if (!isLookup) this.authorize(token, namespace, route.path, operation);
    if (tokenPath !== undefined) return this.system.token({ operation, path: tokenPath, query, body }, token);
    if (route.path.startsWith('sys/')) {
      return this.system.handle(
        { operation, path: route.path.slice('sys/'.length), query, body },
        namespace,
        token,
      );
    }
    if (auth !== undefined) return await auth.mount.handle({ operation, path: auth.rest, query, body });
    if (mount === undefined) throw noHandler(route.path);
    return await mount.mount.handle({ operation, path: mount.rest, query, body });
  }

  /** A living token without the permission hears something else than a dead one (tried). */
  private authorize(token: Token, namespace: VaultNamespace, path: string, operation: Operation): void {
    if (token.policies.includes('root')) return;
    const capabilities = capabilitiesOn(path, namespace.rulesOf(token));
    if (capabilities.has('deny') || !capabilities.has(operation)) {
      throw new VaultFault(403, ['1 error occurred:\n\t* permission denied\n\n']);
    }
  }

  private tokenOf(request: IncomingMessage): Token {
    const header = request.headers['x-vault-token'] ?? request.headers.authorization?.replace(/^Bearer /, '');
    if (typeof header !== 'string' || header === '') throw new VaultFault(403, ['permission denied']);
    const token = this.tokens.use(header);
    if (token === undefined) {
      throw new VaultFault(403, ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n']);
    }
    return token;
  }

  private namespaceOf(request: IncomingMessage): VaultNamespace {
    const header = request.headers['x-vault-namespace'];
    const name = (typeof header === 'string' ? header : '').replace(/^\/+|\/+$/g, '');
    const namespace = this.namespaces.get(name === 'root' ? '' : name);
    if (namespace === undefined) throw new VaultFault(404, ['namespace not found']);
    return namespace;
  }

  private health(query: URLSearchParams): VaultAnswer {
    const code = (name: string, usual: number): number => Number(query.get(name) ?? usual);
    const standby = this.standbyFor !== undefined;
    const status = this.sealed
      ? code('sealedcode', 503)
      : standby && query.get('standbyok') !== 'true'
        ? code('standbycode', 429)
        : code('activecode', 200);
    const seconds = Math.floor(this.now().getTime() / 1000);
    const raw = JSON.stringify({
      initialized: true,
      sealed: this.sealed,
      standby,
      server_time_utc: seconds,
      version: '1.18.0',
    });
    return { status, raw };
  }
}

export async function startVaultServer(options: LoopbackVaultOptions = {}): Promise<LoopbackVault> {
  return await LoopbackVault.start(options);
}

function operationOf(method: string, query: URLSearchParams): Operation {
  switch (method) {
    case 'GET':
      return query.get('list') === 'true' ? 'list' : 'read';
    case 'LIST':
      return 'list';
    case 'POST':
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    default:
      throw new VaultFault(405, []);
  }
}

/** A write where nothing stands yet needs `create`, not `update`. */
function refine(operation: Operation, exists: boolean): Operation {
  return operation === 'update' && !exists ? 'create' : operation;
}

function noHandler(path: string): VaultFault {
  return new VaultFault(404, [`no handler for route "${path}". route entry not found.`]);
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new VaultFault(400, ['invalid URL escape']);
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(body);
}
