import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

import type { UserInfo } from './objects.js';
import { unauthorized } from './status-errors.js';
import type { Storage } from './storage.js';
import type { ServiceAccountTokens } from './tokens.js';

export interface AuthenticatorOptions {
  readonly storage: Storage;
  readonly tokens: ServiceAccountTokens;
  /** Bearer tokens that stand for a user; a test may add some. */
  /** A token of `system:masters`. */
  readonly adminToken: string;
}

/** A valid token, and the requested audiences that it has. */
export interface AcceptedToken {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** Who sends a request: by client certificate, bearer token, or nobody. */
export class Authenticator {
  constructor(private readonly options: AuthenticatorOptions) {}

  /** @throws ApiError 401 for invalid credentials. */
  authenticate(request: IncomingMessage): UserInfo {
    const byCertificate = certificateUser(request.socket as TLSSocket);
    if (byCertificate !== undefined) return authenticated(byCertificate);
    const header = request.headers.authorization;
    if (header === undefined) return { user: 'system:anonymous', groups: ['system:unauthenticated'] };
    const token = /^bearer\s+(\S+)$/i.exec(header)?.[1];
    const accepted = token === undefined ? undefined : this.review(token, [this.options.tokens.issuer]);
    if (accepted === undefined) throw unauthorized();
    return authenticated(accepted.user);
  }

  /** For TokenReview: the user of a token that is valid for at least one of the audiences. */
  review(token: string, audiences: readonly string[]): AcceptedToken | undefined {
    if (token === this.options.adminToken) {
      return { user: { user: 'admin', groups: ['system:masters'] }, audiences };
    }
    const claims = this.options.tokens.verify(token);
    if (claims === undefined) return undefined;
    const common = audiences.filter((audience) => claims.aud.includes(audience));
    if (common.length === 0) return undefined;
    const { namespace, serviceaccount } = claims['kubernetes.io'];
    const account = this.options.storage.get('/serviceaccounts', namespace, serviceaccount.name);
    // A token becomes invalid with its account, even if an account with the same name is created.
    if (account?.metadata.uid !== serviceaccount.uid) return undefined;
    return {
      audiences: common,
      user: {
        user: claims.sub,
        uid: serviceaccount.uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
        extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] },
      },
    };
  }
}

function authenticated(user: UserInfo): UserInfo {
  return user.groups.includes('system:authenticated')
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };
}

/** A certificate's CN is the user, its Os are the groups. */
function certificateUser(socket: TLSSocket): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  const subject = socket.getPeerCertificate().subject as
    Record<string, string | string[] | undefined> | undefined;
  const name = subject?.['CN'];
  const user = Array.isArray(name) ? name[0] : name;
  if (user === undefined) return undefined;
  return { user, groups: [subject?.['O'] ?? []].flat() };
}
