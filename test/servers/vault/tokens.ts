import { randomBytes, type X509Certificate } from 'node:crypto';

import { goDuration } from './fields.js';
import { badRequest } from './protocol.js';
import { goStruct } from './raw-json.js';

/**
 * Asked before a renewal by auth methods that look again; throws when it may not be.
 *
 * @param shown the client certificates of the connection on which the renewal is asked for.
 */
export type MayRenew = (shown?: readonly X509Certificate[]) => void | Promise<void>;

/** Parameters of a new token; times are in seconds, 0 for none. */
export interface TokenRequest {
  readonly policies: readonly string[];
  readonly ttlSeconds: number;
  /** Maximum lifetime set by the role, renewals included. */
  readonly maxTtlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
  readonly renewable: boolean;
  readonly numUses: number;
  readonly type: 'service' | 'batch';
  /** CIDR blocks that may use it; empty or absent: everywhere. */
  readonly boundCidrs?: readonly string[];
  readonly displayName: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** The parent's id; revoked with it. Undefined: an orphan. */
  readonly parent: string | undefined;
  /** Of the namespace that the token belongs to. */
  readonly namespace: string;
  readonly entityId: string;
  readonly id?: string;
  readonly mayRenew?: MayRenew;
}

export interface Token extends Omit<TokenRequest, 'id' | 'numUses'> {
  readonly id: string;
  readonly accessor: string;
  readonly createdMs: number;
  readonly creationTtlSeconds: number;
  /** 0: any number. */
  usesLeft: number;
  /** Undefined: never. */
  endsMs: number | undefined;
  renewedMs: number | undefined;
}

/** Vault's system default and maximum: 768 hours. */
export const SYSTEM_TTL_SECONDS = 32 * 24 * 3600;

/** The token store: TTLs, renewals, use limits, and revocation including all children. */
export class TokenStore {
  private readonly tokens = new Map<string, Token>();

  constructor(private readonly now: () => Date) {}

  createRoot(id: string): Token {
    return this.keep(
      {
        policies: ['root'],
        ttlSeconds: 0,
        maxTtlSeconds: 0,
        explicitMaxTtlSeconds: 0,
        periodSeconds: 0,
        renewable: false,
        numUses: 0,
        type: 'service',
        displayName: 'root',
        path: 'auth/token/root',
        metadata: null,
        parent: undefined,
        namespace: '',
        entityId: '',
        id,
      },
      0,
    );
  }

  create(request: TokenRequest): { readonly token: Token; readonly warnings: readonly string[] } {
    const { periodSeconds, explicitMaxTtlSeconds } = request;
    const asksNothing = request.ttlSeconds === 0 && periodSeconds === 0 && explicitMaxTtlSeconds === 0;
    // Only root tokens may have no expiry.
    if (request.policies.includes('root') && asksNothing) {
      return { token: this.keep({ ...request, renewable: false }, 0), warnings: [] };
    }
    const { ttlSeconds, warnings } = this.lifeOf(request, request.ttlSeconds, this.now().getTime());
    return { token: this.keep(request, ttlSeconds), warnings };
  }

  /** The token if it is valid; counts as one use. */
  use(id: string): Token | undefined {
    const token = this.peek(id);
    if (token === undefined || token.usesLeft === 0) return token;
    token.usesLeft -= 1;
    if (token.usesLeft === 0) this.revoke(id);
    return token;
  }

  peek(id: string): Token | undefined {
    const token = this.tokens.get(id);
    if (token?.endsMs !== undefined && token.endsMs <= this.now().getTime()) {
      this.revoke(id);
      return undefined;
    }
    return token;
  }

  all(): Token[] {
    return [...this.tokens.keys()].flatMap((id) => this.peek(id) ?? []);
  }

  /** @returns Vault's warnings when the requested TTL was capped. */
  async renew(
    token: Token,
    incrementSeconds: number,
    shown?: readonly X509Certificate[],
  ): Promise<readonly string[]> {
    if (token.type === 'batch') throw badRequest('batch tokens cannot be renewed');
    if (!token.renewable || token.endsMs === undefined) throw badRequest('lease is not renewable');
    await token.mayRenew?.(shown);
    const { ttlSeconds, warnings } = this.lifeOf(token, incrementSeconds, token.createdMs);
    token.renewedMs = this.now().getTime();
    token.endsMs = token.renewedMs + ttlSeconds * 1000;
    return warnings;
  }

  /** Including all descendants. */
  revoke(id: string): void {
    this.tokens.delete(id);
    for (const child of [...this.tokens.values()]) if (child.parent === id) this.revoke(child.id);
  }

  /** Those whose lease is below a path: a lease is named after the path of the login. */
  revokePrefix(namespace: string, prefix: string): void {
    for (const token of [...this.tokens.values()]) {
      const isBelow = `${token.path}/`.startsWith(`${prefix}/`);
      if (token.namespace === namespace && token.type === 'service' && isBelow) this.revoke(token.id);
    }
  }

  revokeNamespace(namespace: string): void {
    for (const token of [...this.tokens.values()]) {
      if (token.namespace.startsWith(namespace)) this.revoke(token.id);
    }
  }

  /** Whole seconds left; 0 for a token without an expiry. */
  ttlSeconds(token: Token): number {
    if (token.endsMs === undefined) return 0;
    return Math.max(0, Math.floor((token.endsMs - this.now().getTime()) / 1000));
  }

  /** The granted TTL, for the response. */
  leaseSeconds(token: Token): number {
    if (token.endsMs === undefined) return 0;
    return Math.ceil((token.endsMs - this.now().getTime()) / 1000);
  }

  /** A TTL from now, capped by every limit since the token's creation. */
  private lifeOf(
    limits: Pick<TokenRequest, 'ttlSeconds' | 'maxTtlSeconds' | 'explicitMaxTtlSeconds' | 'periodSeconds'>,
    incrementSeconds: number,
    createdMs: number,
  ): { readonly ttlSeconds: number; readonly warnings: readonly string[] } {
    const caps = [SYSTEM_TTL_SECONDS, limits.maxTtlSeconds, limits.explicitMaxTtlSeconds];
    const maxTtl = Math.min(...caps.filter((cap) => cap > 0));
    const warnings: string[] = [];
    const age = Math.floor((this.now().getTime() - createdMs) / 1000);
    let ttl = incrementSeconds || limits.ttlSeconds || SYSTEM_TTL_SECONDS;
    let left = maxTtl - age;
    if (limits.periodSeconds > 0) {
      ttl = Math.min(limits.periodSeconds, maxTtl);
      left = limits.explicitMaxTtlSeconds > 0 ? limits.explicitMaxTtlSeconds - age : Infinity;
      if (limits.periodSeconds > maxTtl) warnings.push(capped('period', limits.periodSeconds, maxTtl));
    }
    if (left <= 0) throw badRequest('past the max TTL, cannot renew');
    if (ttl > left) {
      warnings.push(capped('TTL', ttl, left));
      ttl = left;
    }
    return { ttlSeconds: ttl, warnings };
  }

  private keep(request: TokenRequest, ttlSeconds: number): Token {
    const { numUses, id: wantedId, ...rest } = request;
    const createdMs = this.now().getTime();
    const isBatch = request.type === 'batch';
    const token: Token = {
      ...rest,
      id: wantedId ?? (isBatch ? `hvb.${random(96)}` : `hvs.${random(24)}`),
      accessor: isBatch ? '' : random(24),
      renewable: request.renewable && !isBatch,
      createdMs,
      creationTtlSeconds: ttlSeconds,
      usesLeft: numUses,
      endsMs: ttlSeconds === 0 ? undefined : createdMs + ttlSeconds * 1000,
      renewedMs: undefined,
    };
    this.tokens.set(token.id, token);
    return token;
  }
}

function capped(what: string, wanted: number, limit: number): string {
  const value = what === 'period' ? 'period value' : 'TTL value';
  return `${what} of "${human(wanted)}" exceeded the effective max_ttl of "${human(limit)}"; ${value} is capped accordingly`;
}

/** Go's duration without its zero parts at the end. */
function human(seconds: number): string {
  return goDuration(seconds).replace(/m0s$/, 'm').replace(/h0m$/, 'h');
}

function random(length: number): string {
  return randomBytes(length)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, 'x')
    .slice(0, length);
}

/** The `auth` block of a login, a creation or a renewal. */
export function authBlock(token: Token, ttlSeconds: number): string {
  return goStruct({
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.metadata,
    lease_duration: ttlSeconds,
    renewable: token.renewable,
    entity_id: token.entityId,
    token_type: token.type,
    orphan: token.parent === undefined,
    mfa_requirement: null,
    num_uses: token.usesLeft,
  });
}
