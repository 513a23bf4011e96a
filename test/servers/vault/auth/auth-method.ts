import { createHash } from 'node:crypto';

import { boolField, type Fields, has, intField, listField, secondsField, textField } from '../fields.js';
import { checkedCidrs } from '../cidr.js';
import type { Mount } from '../mounts.js';
import { badRequest, type VaultAnswer, type VaultCall } from '../protocol.js';
import { authBlock, type MayRenew, SYSTEM_TTL_SECONDS, type TokenStore } from '../tokens.js';

/** The dependencies of an auth method. */
export interface AuthContext {
  readonly tokens: TokenStore;
  readonly now: () => Date;
  /** Below `auth/`, with a slash at the end. */
  readonly mountPath: string;
  readonly namespace: string;
}

/** The token parameters that every role, user and configuration has; every time is in seconds. */
export interface TokenParameters {
  readonly policies: readonly string[];
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
  readonly numUses: number;
  readonly noDefaultPolicy: boolean;
  readonly type: 'service' | 'batch';
  /** CIDR blocks that may use its tokens; empty: everywhere. */
  readonly boundCidrs: readonly string[];
}

const NONE: TokenParameters = {
  policies: [],
  ttlSeconds: 0,
  maxTtlSeconds: 0,
  explicitMaxTtlSeconds: 0,
  periodSeconds: 0,
  numUses: 0,
  noDefaultPolicy: false,
  type: 'service',
  boundCidrs: [],
};

/** Reads them by the names of the API, deprecated names included; absent fields are unchanged. */
export function tokenParameters(call: Fields, before: TokenParameters = NONE): TokenParameters {
  const seconds = (names: readonly string[], old: number): number => {
    const name = names.find((candidate) => has(call, candidate));
    return name === undefined ? old : (secondsField(call, name) ?? old);
  };
  const policiesName = ['token_policies', 'policies'].find((name) => has(call, name));
  const type = has(call, 'token_type') ? textField(call, 'token_type') : before.type;
  const known = ['', 'default', 'default-service', 'service', 'batch', 'default-batch'];
  if (!known.includes(type)) throw badRequest(`invalid 'token_type' value "${type}"`);
  const parameters: TokenParameters = {
    policies: policiesName === undefined ? before.policies : listField(call, policiesName),
    ttlSeconds: seconds(['token_ttl', 'ttl'], before.ttlSeconds),
    maxTtlSeconds: seconds(['token_max_ttl', 'max_ttl'], before.maxTtlSeconds),
    explicitMaxTtlSeconds: seconds(['token_explicit_max_ttl'], before.explicitMaxTtlSeconds),
    periodSeconds: seconds(['token_period', 'period'], before.periodSeconds),
    numUses: intField(call, 'token_num_uses') ?? before.numUses,
    noDefaultPolicy: boolField(call, 'token_no_default_policy') ?? before.noDefaultPolicy,
    type: type.endsWith('batch') ? 'batch' : 'service',
    boundCidrs: has(call, 'token_bound_cidrs')
      ? checkedCidrs(listField(call, 'token_bound_cidrs'))
      : before.boundCidrs,
  };
  checkParameters(parameters);
  return parameters;
}

function checkParameters(parameters: TokenParameters): void {
  if (parameters.numUses < 0) throw badRequest("'token_num_uses' cannot be negative");
  if (parameters.maxTtlSeconds > 0 && parameters.ttlSeconds > parameters.maxTtlSeconds) {
    throw badRequest("'token_ttl' cannot be greater than 'token_max_ttl'");
  }
  if (parameters.type === 'batch' && parameters.periodSeconds > 0) {
    throw badRequest(
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
    );
  }
  if (parameters.type === 'batch' && parameters.numUses > 0) {
    throw badRequest(
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
    );
  }
}

export interface Login {
  readonly parameters: TokenParameters;
  /** In addition to those of the role. */
  readonly policies?: readonly string[];
  /** The alias at this mount; one entity for each. */
  readonly alias: string;
  readonly displayName: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Below the mount: `login`, `login/bob`. */
  readonly path: string;
  readonly warnings?: readonly string[];
  readonly mayRenew?: MayRenew;
}

/** The token of a login that succeeded. */
export function loginAnswer(context: AuthContext, login: Login): VaultAnswer {
  const { tokens, mountPath, namespace } = context;
  const { parameters } = login;
  const base = [...parameters.policies, ...(login.policies ?? [])].map((name) => name.toLowerCase());
  const policies = [...new Set([...(parameters.noDefaultPolicy ? [] : ['default']), ...base])].sort();
  if (policies.includes('root')) throw badRequest('auth methods cannot create root tokens');
  const { token, warnings } = tokens.create({
    policies,
    ttlSeconds: parameters.ttlSeconds,
    maxTtlSeconds: parameters.maxTtlSeconds || SYSTEM_TTL_SECONDS,
    explicitMaxTtlSeconds: parameters.explicitMaxTtlSeconds,
    periodSeconds: parameters.periodSeconds,
    renewable: true,
    numUses: parameters.numUses,
    type: parameters.type,
    boundCidrs: parameters.boundCidrs,
    displayName: `${mountPath.slice(0, -1).replace(/\//g, '-')}${login.displayName === '' ? '' : `-${login.displayName}`}`,
    path: `auth/${mountPath}${login.path}`,
    metadata: login.metadata,
    parent: undefined,
    namespace,
    entityId: entityOf(`${namespace}${mountPath}${login.alias}`),
    ...(login.mayRenew === undefined ? {} : { mayRenew: login.mayRenew }),
  });
  const all = [...(login.warnings ?? []), ...warnings];
  return {
    status: 200,
    auth: authBlock(token, tokens.leaseSeconds(token)),
    ...(all.length === 0 ? {} : { warnings: all }),
  };
}

function entityOf(alias: string): string {
  return createHash('sha256')
    .update(alias)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

/** A mounted auth method; only its `login` is unauthenticated, and no path needs `sudo`. */
export abstract class AuthMount implements Mount {
  abstract readonly type: string;

  exists(_path: string): boolean {
    return true;
  }

  isOpen(path: string): boolean {
    return path === 'login';
  }

  needsSudo(): boolean {
    return false;
  }

  abstract handle(call: VaultCall): VaultAnswer | Promise<VaultAnswer>;
  abstract wipe(): void;
}
