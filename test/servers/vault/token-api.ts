import { boolField, field, intField, listField, mapField, parseSeconds, textField } from './fields.js';
import type { Mount } from './mounts.js';
import {
  badRequest,
  isWrite,
  NO_CONTENT,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
} from './protocol.js';
import { goJson } from './raw-json.js';
import { authBlock, type Token, type TokenStore } from './tokens.js';

/** The endpoints below `auth/token/`, as `vault/token_store.go` has them. */
export class TokenApi implements Mount {
  readonly type = 'token';

  constructor(
    private readonly tokens: TokenStore,
    private readonly policyExists: (namespace: string, name: string) => boolean,
  ) {}

  exists(): boolean {
    return true;
  }

  isOpen(): boolean {
    return false;
  }

  needsSudo(): boolean {
    return false;
  }

  wipe(): void {
    // A wipe keeps the tokens.
  }

  async handle(call: VaultCall): Promise<VaultAnswer> {
    const token = call.token as Token;
    const writes = isWrite(call.operation);
    const { path } = call;
    if (path === 'lookup-self' && (writes || call.operation === 'read')) return this.describe(token);
    if (path === 'lookup' && call.operation === 'read') return this.describe(token);
    const known = /^(create|create-orphan|lookup-self|renew-self|revoke-self|revoke)$/;
    if (!known.test(path)) throw unsupportedPath();
    if (!writes) throw unsupportedOperation();
    switch (path) {
      case 'create':
      case 'create-orphan':
        return this.create(call, token);
      case 'renew-self':
        return await this.renew(call, token);
      case 'revoke-self':
        return this.revoke(token);
      default:
        return this.revokeNamed(call);
    }
  }

  private create(call: VaultCall, parent: Token): VaultAnswer {
    if (parent.type === 'batch') throw badRequest('batch tokens cannot create more tokens');
    if (parent.usesLeft > 0) throw badRequest('restricted use token cannot generate child tokens');
    const isSudo = call.acl?.hasSudo(`auth/token/${call.path}`) === true;
    const type = this.typeOf(call);
    const numUses = intField(call, 'num_uses') ?? 0;
    if (numUses < 0) throw badRequest('number of uses cannot be negative');
    const id = textField(call, 'id');
    if (id !== '' && !isSudo) throw badRequest('root or sudo privileges required to specify token id');
    const policies = this.policiesOf(call, parent, isSudo);
    if (policies.includes('root')) {
      if (!parent.policies.includes('root')) {
        throw badRequest('root tokens may not be created without parent token being root');
      }
      if (type === 'batch') throw badRequest('batch tokens cannot be root tokens');
    }
    const wantsOrphan = boolField(call, 'no_parent') === true;
    if (wantsOrphan && !isSudo) throw badRequest('root or sudo privileges required to create orphan token');
    const periodSeconds = secondsOf(call, 'period');
    if (periodSeconds > 0 && !isSudo) {
      throw badRequest('root or sudo privileges required to create periodic token');
    }
    const name = textField(call, 'display_name');
    const metadata = mapField(call, 'meta');
    const { token, warnings } = this.tokens.create({
      policies,
      ttlSeconds: secondsOf(call, 'ttl') || secondsOf(call, 'lease'),
      maxTtlSeconds: 0,
      explicitMaxTtlSeconds: secondsOf(call, 'explicit_max_ttl'),
      periodSeconds,
      renewable: boolField(call, 'renewable') ?? true,
      numUses,
      type,
      displayName: name === '' ? 'token' : `token-${name.replace(/[^a-zA-Z0-9-]/g, '-')}`.replace(/-$/, ''),
      path: `auth/token/${call.path}`,
      metadata: metadata === undefined ? null : Object.fromEntries(metadata),
      parent: wantsOrphan || call.path === 'create-orphan' ? undefined : parent.id,
      namespace: parent.namespace,
      entityId: '',
      ...(id === '' ? {} : { id }),
    });
    const missing = policies
      .filter((policy) => policy !== 'root' && !this.policyExists(parent.namespace, policy))
      .map((policy) => `Policy "${policy}" does not exist`);
    return answerWith(authBlock(token, this.tokens.leaseSeconds(token)), [...missing, ...warnings]);
  }

  private typeOf(call: VaultCall): 'service' | 'batch' {
    const type = textField(call, 'type');
    if (type === '' || type === 'service') return 'service';
    if (type !== 'batch') throw badRequest("invalid 'token_type' value");
    for (const name of ['explicit_max_ttl', 'num_uses', 'period']) {
      const value = name === 'num_uses' ? intField(call, name) : secondsOf(call, name);
      if ((value ?? 0) !== 0) throw badRequest(`batch tokens cannot have "${name}" set`);
    }
    return 'batch';
  }

  private policiesOf(call: VaultCall, parent: Token, isSudo: boolean): string[] {
    const asked = listField(call, 'policies').map((name) => name.toLowerCase());
    const refusesDefault = boolField(call, 'no_default_policy') === true;
    let addsDefault = false;
    let policies = asked;
    if (asked.length === 0) policies = [...parent.policies];
    else if (isSudo) addsDefault = !refusesDefault;
    else {
      if (asked.some((name) => !parent.policies.includes(name))) {
        throw badRequest('child policies must be subset of parent');
      }
      addsDefault = !refusesDefault && parent.policies.includes('default');
    }
    if (policies.includes('root')) return ['root'];
    const all = [...new Set([...policies, ...(addsDefault ? ['default'] : [])])].sort();
    return refusesDefault ? all.filter((name) => name !== 'default') : all;
  }

  private async renew(call: VaultCall, token: Token): Promise<VaultAnswer> {
    const increment = secondsOf(call, 'increment');
    const warnings = await this.tokens.renew(token, increment, call.clientCertificates);
    return answerWith(authBlock(token, this.tokens.leaseSeconds(token)), warnings);
  }

  private revoke(token: Token): VaultAnswer {
    if (token.type === 'batch') throw badRequest('batch tokens cannot be revoked');
    this.tokens.revoke(token.id);
    return NO_CONTENT;
  }

  private revokeNamed(call: VaultCall): VaultAnswer {
    const id = textField(call, 'token');
    if (id === '') throw badRequest('missing token ID');
    const token = this.tokens.peek(id);
    // Revoking a token that does not exist is not an error.
    return token === undefined ? NO_CONTENT : this.revoke(token);
  }

  private describe(token: Token): VaultAnswer {
    const iso = (ms: number): string => new Date(ms).toISOString();
    const data = {
      accessor: token.accessor,
      creation_time: Math.floor(token.createdMs / 1000),
      creation_ttl: token.creationTtlSeconds,
      display_name: token.displayName,
      entity_id: token.entityId,
      expire_time: token.endsMs === undefined ? null : iso(token.endsMs),
      explicit_max_ttl: token.explicitMaxTtlSeconds,
      id: token.id,
      issue_time: iso(token.createdMs),
      ...(token.renewedMs === undefined
        ? {}
        : { last_renewal: iso(token.renewedMs), last_renewal_time: Math.floor(token.renewedMs / 1000) }),
      meta: token.metadata,
      ...(token.namespace === '' ? {} : { namespace_path: token.namespace }),
      num_uses: token.usesLeft,
      orphan: token.parent === undefined,
      path: token.path,
      ...(token.periodSeconds > 0 ? { period: token.periodSeconds } : {}),
      policies: token.policies,
      renewable: token.renewable,
      ttl: this.tokens.ttlSeconds(token),
      type: token.type,
    };
    return { status: 200, data: goJson(data) };
  }
}

function answerWith(auth: string, warnings: readonly string[]): VaultAnswer {
  return { status: 200, auth, ...(warnings.length === 0 ? {} : { warnings }) };
}

function secondsOf(call: VaultCall, name: string): number {
  const value = field(call, name);
  const seconds = value === undefined ? 0 : parseSeconds(value);
  if (seconds === undefined) throw badRequest(`time: invalid duration ${goJson(value)}`);
  if (seconds < 0) throw badRequest(`${name} must be positive`);
  return seconds;
}
