import { randomBytes, randomUUID } from 'node:crypto';

import { VaultFault } from './protocol.js';

export interface TokenRequest {
  readonly policies: readonly string[];
  readonly ttlSeconds?: number;
  readonly maxTtlSeconds?: number;
  readonly periodSeconds?: number;
  readonly renewable?: boolean;
  readonly numUses?: number;
  readonly type?: 'service' | 'batch';
  readonly noDefaultPolicy?: boolean;
  readonly displayName?: string;
  readonly path?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Token {
  readonly id: string;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly type: 'service' | 'batch';
  readonly renewable: boolean;
  readonly createdMs: number;
  readonly creationTtlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly periodSeconds: number;
  readonly displayName: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  usesLeft: number;
  /** Undefined: never. */
  endsMs: number | undefined;
}

/** Vault's system default. */
const DEFAULT_TTL_SECONDS = 32 * 24 * 3600;

/** The token store: lives, renewals within limits, uses, revocation. */
export class TokenStore {
  private readonly tokens = new Map<string, Token>();

  constructor(private readonly now: () => Date) {}

  createRoot(id: string): Token {
    return this.keep({
      id,
      policies: ['root'],
      ttl: 0,
      type: 'service',
      renewable: false,
      path: 'auth/token/root',
      displayName: 'root',
    });
  }

  create(request: TokenRequest): Token {
    const type = request.type ?? 'service';
    const period = request.periodSeconds ?? 0;
    const isRoot = request.policies.includes('root');
    const asked = request.ttlSeconds ?? 0;
    const wanted = period > 0 ? period : asked > 0 ? asked : isRoot ? 0 : DEFAULT_TTL_SECONDS;
    const max = request.maxTtlSeconds ?? 0;
    const policies = isRoot
      ? ['root']
      : [...new Set([...(request.noDefaultPolicy === true ? [] : ['default']), ...request.policies])].sort();
    return this.keep({
      id:
        type === 'batch'
          ? `hvb.${randomBytes(48).toString('base64url')}`
          : `hvs.${randomBytes(18).toString('base64url')}`,
      policies,
      ttl: max > 0 ? Math.min(wanted, max) : wanted,
      maxTtl: max,
      period,
      type,
      renewable: type === 'service' && (request.renewable ?? true) && wanted > 0,
      path: request.path ?? 'auth/token/create',
      displayName: request.displayName ?? 'token',
      ...(request.numUses === undefined ? {} : { uses: request.numUses }),
      ...(request.metadata === undefined ? {} : { metadata: request.metadata }),
    });
  }

  /** The living token; using it counts. */
  use(id: string): Token | undefined {
    const token = this.peek(id);
    if (token === undefined) return undefined;
    if (token.usesLeft > 0) {
      token.usesLeft -= 1;
      if (token.usesLeft === 0) this.tokens.delete(id);
    }
    return token;
  }

  peek(id: string): Token | undefined {
    const token = this.tokens.get(id);
    if (token?.endsMs !== undefined && token.endsMs <= this.now().getTime()) {
      this.tokens.delete(id);
      return undefined;
    }
    return token;
  }

  all(): Token[] {
    return [...this.tokens.keys()].flatMap((id) => this.peek(id) ?? []);
  }

  renew(token: Token, incrementSeconds: number): void {
    if (token.type === 'batch') throw new VaultFault(400, ['batch tokens cannot be renewed']);
    if (!token.renewable) throw new VaultFault(400, ['lease is not renewable']);
    const now = this.now().getTime();
    const increment =
      token.periodSeconds > 0 ? token.periodSeconds : incrementSeconds || token.creationTtlSeconds;
    const wanted = now + increment * 1000;
    const limit = token.maxTtlSeconds > 0 ? token.createdMs + token.maxTtlSeconds * 1000 : Infinity;
    token.endsMs = Math.min(wanted, limit);
  }

  revoke(id: string): void {
    this.tokens.delete(id);
  }

  ttlSeconds(token: Token): number {
    return token.endsMs === undefined
      ? 0
      : Math.max(0, Math.floor((token.endsMs - this.now().getTime()) / 1000));
  }

  private keep(token: {
    id: string;
    policies: readonly string[];
    ttl: number;
    maxTtl?: number;
    period?: number;
    type: 'service' | 'batch';
    renewable: boolean;
    path: string;
    displayName: string;
    uses?: number;
    metadata?: Readonly<Record<string, string>>;
  }): Token {
    const createdMs = this.now().getTime();
    const kept: Token = {
      id: token.id,
      accessor: token.type === 'batch' ? '' : randomUUID(),
      policies: token.policies,
      type: token.type,
      renewable: token.renewable,
      createdMs,
      creationTtlSeconds: token.ttl,
      maxTtlSeconds: token.maxTtl ?? 0,
      periodSeconds: token.period ?? 0,
      displayName: token.displayName,
      path: token.path,
      metadata: token.metadata ?? null,
      usesLeft: token.uses ?? 0,
      endsMs: token.ttl === 0 ? undefined : createdMs + token.ttl * 1000,
    };
    this.tokens.set(kept.id, kept);
    return kept;
  }
}

/** The `auth` block of a login or a renewal. */
export function authBlock(token: Token, ttlSeconds: number): string {
  return JSON.stringify({
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.metadata,
    lease_duration: ttlSeconds,
    renewable: token.renewable,
    entity_id: '',
    token_type: token.type,
    orphan: true,
    mfa_requirement: null,
    num_uses: token.usesLeft,
  });
}
