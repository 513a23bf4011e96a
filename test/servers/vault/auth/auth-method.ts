import type { Mount } from '../mounts.js';
import { secondsField, listField, textField, field, type VaultCall } from '../protocol.js';
import { authBlock, type TokenRequest, type TokenStore } from '../tokens.js';
import type { VaultAnswer } from '../protocol.js';

/** An auth method: a mount whose login endpoints need no token. */
export interface AuthMethod extends Mount {
  /** Whether a path below the mount is a login endpoint. */
  isLogin(path: string): boolean;
}

/** Token parameters that every role has, by the names of the API. */
export function tokenParameters(call: Pick<VaultCall, 'body'>): TokenRequest {
  const type = textField(call, 'token_type');
  return {
    policies: [...listField(call, 'token_policies'), ...listField(call, 'policies')],
    ttlSeconds: secondsField(call, 'token_ttl') || secondsField(call, 'ttl'),
    maxTtlSeconds: secondsField(call, 'token_max_ttl') || secondsField(call, 'max_ttl'),
    periodSeconds: secondsField(call, 'token_period'),
    numUses: Number(field(call, 'token_num_uses') ?? 0),
    noDefaultPolicy: field(call, 'token_no_default_policy') === true,
    ...(type === 'batch' ? { type } : {}),
  };
}

export function loginAnswer(tokens: TokenStore, request: TokenRequest): VaultAnswer {
  const token = tokens.create(request);
  return { status: 200, auth: authBlock(token, tokens.ttlSeconds(token)) };
}
