import type { X509Certificate } from 'node:crypto';

import { admitsPeer } from './cidr.js';
import { SystemBackend } from './sys.js';
import { KvV1 } from './kv-v1.js';
import { KvV2 } from './kv-v2.js';
import type { Mount } from './mounts.js';
import { Namespaces, VaultNamespace } from './namespaces.js';
import {
  BackendError,
  badRequest,
  errorList,
  isWrite,
  type Operation,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from './protocol.js';
import { TokenApi } from './token-api.js';
import { type Token, TokenStore } from './tokens.js';

/** One request, behind HTTP. */
export interface CoreRequest {
  readonly operation: Operation;
  /** Below `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: ReadonlyMap<string, string>;
  readonly token: string;
  readonly namespace: string;
  /** Certificates of the client from the TLS handshake, the leaf first. */
  readonly clientCertificates: readonly X509Certificate[];
}

/** vault-plugin-secrets-kv, upgrade.go. */
const UPGRADING = {
  here: 'Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.',
  primary:
    'Waiting for the primary to upgrade from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service when the primary is finished.',
} as const;

/** How far replication of new tokens is behind. */
export interface Lag {
  /** How long after its login a token is unknown. */
  readonly ms: number;
  /** Two nodes behind one address serve requests alternately; replication of the second is behind. */
  readonly everyOther?: boolean;
  /** The error for an unknown token is only `permission denied`, as in OpenBao and in Vault before 1.10. */
  readonly bare?: boolean;
}

interface Found {
  readonly mount: Mount;
  readonly rest: string;
}

/** Vault without its HTTP layer: namespaces, mounts, tokens and permissions. */
export class VaultCore {
  readonly tokens: TokenStore;
  readonly namespaces: Namespaces;
  /** How far this node is behind the node that serves logins. */
  lag: Lag = { ms: 0 };
  /** With {@link Lag.everyOther}: whether the node that is behind serves the next request. */
  private isTurnOfNodeBehind = true;
  /** Every K/V v2 mount answers that it is being upgraded, here or on the primary cluster. */
  upgrading: keyof typeof UPGRADING | undefined;

  constructor(private readonly now: () => Date) {
    this.tokens = new TokenStore(now);
    const policyExists = (namespace: string, name: string): boolean =>
      this.namespaces.get(namespace)?.policies.has(name) === true;
    const tokenApi = new TokenApi(this.tokens, policyExists);
    const context = { tokens: this.tokens, now };
    this.namespaces = new Namespaces(
      (path) =>
        new VaultNamespace(path, {
          system: (namespace) => new SystemBackend(namespace, { namespaces: () => this.namespaces, context }),
          tokens: tokenApi,
        }),
    );
  }

  mount(path: string, version: 'v1' | 'v2'): void {
    const engine = version === 'v1' ? new KvV1() : new KvV2(this.now);
    this.namespaces.root.mounts.add(`${path}/`, engine, { options: { version: version.slice(1) } });
  }

  /** Empties every K/V mount of every namespace. */
  wipe(): void {
    for (const namespace of this.namespaces.values()) {
      for (const { mount } of namespace.mounts.entries()) mount.wipe();
    }
  }

  /**
   * Serves a request in the order of `vault/request_handling.go`: path, token, permission, mount.
   *
   * @throws VaultFault
   */
  async handle(request: CoreRequest): Promise<VaultAnswer> {
    if (request.path.endsWith('/') && isWrite(request.operation)) {
      throw badRequest("cannot write to a path ending in '/'");
    }
    if (request.path.split('/').includes('..')) throw badRequest('relative paths not supported');
    const { namespace, path } = this.namespaces.resolve(request.namespace, request.path);
    const found = find(namespace, path);
    if (found?.mount.isOpen(found.rest) === true) return await this.handleOpen(request, namespace, found);
    const { token, acl } = this.authenticate(request.token, namespace);
    const operation = refine(request.operation, found);
    const mayGo =
      acl?.allows(path, operation) === true &&
      (found?.mount.needsSudo(found.rest) !== true || acl.hasSudo(path));
    if (acl === undefined || !mayGo) throw new VaultFault(403, [errorList('permission denied')]);
    if (found === undefined) {
      throw new VaultFault(404, [`no handler for route "${path}". route entry not found.`]);
    }
    const { query, body, clientCertificates } = request;
    const call = { operation, path: found.rest, query, body, token, acl, clientCertificates };
    return await this.route(found.mount, call);
  }

  /** Logins and other unauthenticated paths: a token is optional. */
  private async handleOpen(
    request: CoreRequest,
    namespace: VaultNamespace,
    { mount, rest }: Found,
  ): Promise<VaultAnswer> {
    const token = request.token === '' ? undefined : this.replicated(this.tokens.peek(request.token));
    const call: VaultCall = {
      operation: request.operation,
      path: rest,
      query: request.query,
      body: request.body,
      clientCertificates: request.clientCertificates,
    };
    if (mount.type !== 'system') return await mount.handle(call);
    if (request.token !== '' && token === undefined) throw invalidToken();
    const acl = token === undefined ? undefined : this.namespaces.aclOf(token, namespace);
    return await mount.handle({
      ...call,
      ...(token === undefined ? {} : { token }),
      ...(acl === undefined ? {} : { acl }),
    });
  }

  private authenticate(
    id: string,
    namespace: VaultNamespace,
  ): { readonly token: Token; readonly acl: ReturnType<Namespaces['aclOf']> } {
    if (id === '') throw new VaultFault(403, ['permission denied']);
    this.isTurnOfNodeBehind = !this.isTurnOfNodeBehind;
    if (this.replicated(this.tokens.peek(id)) === undefined) {
      throw this.lag.bare === true ? new VaultFault(403, ['permission denied']) : invalidToken();
    }
    // Before it is used (`fetchACLTokenEntryAndEntity`).
    if (!admitsPeer(this.tokens.peek(id)?.boundCidrs ?? [])) throw new VaultFault(403, ['permission denied']);
    const token = this.tokens.use(id);
    if (token === undefined) throw invalidToken();
    return { token, acl: this.namespaces.aclOf(token, namespace) };
  }

  /** A node does not know a token until it has been replicated. */
  private replicated(token: Token | undefined): Token | undefined {
    const ageMs = token === undefined ? 0 : this.now().getTime() - token.createdMs;
    const isBehind = this.lag.everyOther !== true || this.isTurnOfNodeBehind;
    return isBehind && ageMs < this.lag.ms ? undefined : token;
  }

  private async route(mount: Mount, call: VaultCall): Promise<VaultAnswer> {
    // `upgradeCheck` of the K/V backend: before it looks at the request.
    const upgrading = mount instanceof KvV2 ? this.upgrading : undefined;
    if (upgrading !== undefined) throw new VaultFault(400, [UPGRADING[upgrading]]);
    try {
      return await mount.handle(call);
    } catch (error) {
      throw error instanceof BackendError ? error.listed() : error;
    }
  }
}

function find(namespace: VaultNamespace, path: string): Found | undefined {
  const isAuth = path.startsWith('auth/');
  const found = isAuth ? namespace.auths.find(path.slice('auth/'.length)) : namespace.mounts.find(path);
  return found === undefined ? undefined : { mount: found.entry.mount, rest: found.rest };
}

/** A write to an empty path needs `create`, not `update`. */
function refine(operation: Operation, found: Found | undefined): Operation {
  return operation === 'update' && found?.mount.exists(found.rest) === false ? 'create' : operation;
}

/** As in Vault since 1.10; OpenBao and older versions answer only `permission denied`. */
function invalidToken(): VaultFault {
  return new VaultFault(403, [errorList('permission denied', 'invalid token')]);
}
