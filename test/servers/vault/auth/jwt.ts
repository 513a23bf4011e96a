import { createPublicKey } from 'node:crypto';

import { admitsPeer } from '../cidr.js';
import { field, has, listField, textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';
import { NamedEntries } from './named-entries.js';
import { type Claims, InvalidJwt, verifyJwt } from './jwt-verify.js';

const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA'],
];
const ONE_SOURCE =
  "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs', 'oidc_discovery_url', or 'provider_config' must be set";

interface Config {
  readonly keys: readonly string[];
  readonly issuer: string;
  readonly algorithms: readonly string[];
  readonly defaultRole: string;
}

interface Role {
  readonly audiences: readonly string[];
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly userClaim: string;
  readonly parameters: TokenParameters;
}

/** Signed tokens, verified with public keys, by the rules of vault-plugin-auth-jwt and hashicorp/cap. */
export class JwtAuth extends AuthMount {
  readonly type = 'jwt';
  private config: Config | undefined;
  private readonly roles = new NamedEntries<Role>({ folder: 'role', parse: roleOf });

  constructor(private readonly context: AuthContext) {
    super();
  }

  override exists(path: string): boolean {
    return this.roles.exists(path);
  }

  wipe(): void {
    this.roles.clear();
  }

  handle(call: VaultCall): VaultAnswer {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      return this.login(textField(call, 'role').toLowerCase(), textField(call, 'jwt'));
    }
    if (call.path === 'config') return this.configure(call);
    return this.roles.handle(call);
  }

  private configure(call: VaultCall): VaultAnswer {
    if (!isWrite(call.operation)) throw unsupportedOperation();
    for (const name of ['jwks_url', 'oidc_discovery_url', 'provider_config']) {
      if (textField(call, name) !== '') throw badRequest(`${name} is not offered here`);
    }
    const keys = listField(call, 'jwt_validation_pubkeys');
    if (keys.length === 0) throw badRequest(ONE_SOURCE);
    for (const key of keys) {
      try {
        createPublicKey(key);
      } catch {
        throw badRequest('error parsing public key: data does not contain any valid public keys');
      }
    }
    const algorithms = listField(call, 'jwt_supported_algs');
    const unknown = algorithms.find((algorithm) => !ALGORITHMS.includes(algorithm));
    if (unknown !== undefined) {
      throw badRequest(`invalid jwt_supported_algs: unsupported signing algorithm "${unknown}"`);
    }
    this.config = {
      keys,
      issuer: textField(call, 'bound_issuer'),
      algorithms,
      defaultRole: textField(call, 'default_role').toLowerCase(),
    };
    return NO_CONTENT;
  }

  private login(asked: string, token: string): VaultAnswer {
    const { config } = this;
    if (config === undefined) throw badRequest('could not load configuration');
    const name = asked === '' ? config.defaultRole : asked;
    if (name === '') throw badRequest('missing role');
    const role = this.roles.get(name);
    if (role === undefined) throw badRequest(`role "${name}" could not be found`);
    if (token === '') throw badRequest('missing token');
    if (!admitsPeer(role.parameters.boundCidrs)) throw new VaultFault(403, ['permission denied']);
    const claims = this.verified(config, role, token);
    if ([claims.aud ?? []].flat().length > 0 && role.audiences.length === 0) {
      throw badRequest('audience claim found in JWT but no audiences bound to the role');
    }
    const user = claims[role.userClaim];
    if (user === undefined) throw badRequest(`claim "${role.userClaim}" not found in token`);
    if (typeof user !== 'string') {
      throw badRequest(`claim "${role.userClaim}" could not be converted to string`);
    }
    for (const [claim, wanted] of Object.entries(role.claims)) checkBoundClaim(claim, wanted, claims[claim]);
    return loginAnswer(this.context, {
      parameters: role.parameters,
      alias: user,
      displayName: user,
      path: 'login',
      metadata: { role: name },
      mayRenew: () => {
        if (this.roles.get(name) === undefined) {
          throw new BackendError(500, `role ${name} does not exist during renewal`);
        }
      },
    });
  }

  private verified(config: Config, role: Role, token: string): Claims {
    try {
      return verifyJwt(token, {
        keys: config.keys,
        algorithms: config.algorithms.length === 0 ? ALGORITHMS : config.algorithms,
        issuer: config.issuer,
        subject: role.subject,
        audiences: role.audiences,
        // The expiry of the token follows the issuer's clock, not the clock that a test moves.
        now: new Date(),
      });
    } catch (error) {
      if (!(error instanceof InvalidJwt)) throw error;
      throw badRequest(`error validating token: ${error.message}`);
    }
  }
}

/** Compares a claim as text; one matching value of a list is enough. */
function checkBoundClaim(claim: string, wanted: unknown, actual: unknown): void {
  if (actual === undefined) throw badRequest(`error validating claims: claim "${claim}" is missing`);
  const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
  const values = listOf(actual);
  if (!listOf(wanted).some((value) => values.includes(value))) {
    throw badRequest(
      `error validating claims: claim "${claim}" does not match any associated bound claim values`,
    );
  }
}

function roleOf(call: VaultCall, before: Role | undefined): Role {
  const type = textField(call, 'role_type') || 'oidc';
  if (type !== 'jwt' && type !== 'oidc') throw badRequest(`invalid 'role_type': ${type}`);
  if (type === 'oidc') throw badRequest('role_type=oidc is not offered here');
  const parameters = tokenParameters(call, before?.parameters);
  const role: Role = {
    audiences: has(call, 'bound_audiences') ? listField(call, 'bound_audiences') : (before?.audiences ?? []),
    subject: has(call, 'bound_subject') ? textField(call, 'bound_subject') : (before?.subject ?? ''),
    claims: has(call, 'bound_claims')
      ? (field(call, 'bound_claims') as Readonly<Record<string, unknown>>)
      : (before?.claims ?? {}),
    userClaim: has(call, 'user_claim') ? textField(call, 'user_claim') : (before?.userClaim ?? ''),
    parameters,
  };
  if (role.userClaim === '') throw badRequest('a user claim must be defined on the role');
  const isBound =
    role.audiences.length > 0 ||
    parameters.boundCidrs.length > 0 ||
    role.subject !== '' ||
    Object.keys(role.claims).length > 0;
  if (!isBound) throw badRequest('must have at least one bound constraint when creating/updating a role');
  return role;
}
