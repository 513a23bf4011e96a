import { generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';

import { isRecord } from './objects.js';

/** What a service-account token says, as the real server's do. */
export interface TokenClaims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly iss: string;
  readonly jti: string;
  readonly sub: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
  };
}

/** The default issuer and audience of a cluster. */
export const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** Issues and verifies service-account tokens: JWTs, signed with RS256 by a key of this server alone. */
export class ServiceAccountTokens {
  private readonly privateKey: KeyObject;
  private readonly publicKey: KeyObject;
  private readonly keyId = randomUUID();
  /** The claims of verified tokens, by token: clients send the same one with every request. */
  private readonly signed = new Map<string, TokenClaims>();

  constructor(
    readonly issuer = DEFAULT_ISSUER,
    private readonly now: () => number = Date.now,
  ) {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.privateKey = pair.privateKey;
    this.publicKey = pair.publicKey;
  }

  issue(account: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly audiences: readonly string[];
    readonly lifetimeSeconds: number;
  }): { readonly token: string; readonly expires: Date } {
    const issuedAt = Math.floor(this.now() / 1000);
    const claims: TokenClaims = {
      aud: account.audiences,
      exp: issuedAt + account.lifetimeSeconds,
      iat: issuedAt,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: account.namespace,
        serviceaccount: { name: account.name, uid: account.uid },
      },
      nbf: issuedAt,
      sub: `system:serviceaccount:${account.namespace}:${account.name}`,
    };
    const signed = `${encode({ alg: 'RS256', kid: this.keyId })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), this.privateKey).toString('base64url');
    return { token: `${signed}.${signature}`, expires: new Date(claims.exp * 1000) };
  }

  /** The claims of a token that this server signed and that has not expired; else undefined. */
  verify(token: string): TokenClaims | undefined {
    const claims = this.signed.get(token) ?? this.verifySignature(token);
    if (claims === undefined) return undefined;
    this.signed.set(token, claims);
    return claims.exp * 1000 > this.now() ? claims : undefined;
  }

  private verifySignature(token: string): TokenClaims | undefined {
    const [header, payload, signature, more] = token.split('.');
    if (header === undefined || payload === undefined || signature === undefined || more !== undefined) {
      return undefined;
    }
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify('sha256', signed, this.publicKey, Buffer.from(signature, 'base64url'))) return undefined;
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return isRecord(claims) ? (claims as unknown as TokenClaims) : undefined;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
