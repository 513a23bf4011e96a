import { randomUUID } from 'node:crypto';

import { AppRole } from './auth/approle.js';
import type { AuthMethod } from './auth/auth-method.js';
import { KubernetesAuth } from './auth/kubernetes.js';
import { Userpass } from './auth/userpass.js';
import { KvV1, unsupported } from './kv-v1.js';
import { KvV2 } from './kv-v2.js';
import { type Mount, MountTable, OtherEngine } from './mounts.js';
import { concerns, DEFAULT_POLICY, parsePolicy, type PathRule } from './policies.js';
import {
  field,
  NO_CONTENT,
  NOT_FOUND,
  textField,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from './protocol.js';
import { authBlock, type Token, type TokenStore } from './tokens.js';
import { tokenParameters } from './auth/auth-method.js';

/** Mounts, auth methods and policies of one Vault namespace. */
export class VaultNamespace {
  readonly mounts = new MountTable<Mount>();
  readonly auths = new MountTable<AuthMethod>();
  readonly policies = new Map<string, { readonly text: string; readonly rules: readonly PathRule[] }>();

  rulesOf(token: Token): readonly PathRule[] {
    return token.policies.flatMap((name) =>
      name === 'default' ? DEFAULT_POLICY : (this.policies.get(name)?.rules ?? []),
    );
  }
}

/** Makes an auth method of a type; further ones are registered here. */
export type AuthMethodMaker = (tokens: TokenStore, now: () => Date) => AuthMethod;

const AUTH_METHODS: Record<string, AuthMethodMaker> = {
  userpass: (tokens, now) => new Userpass(tokens, now),
  approle: (tokens, now) => new AppRole(tokens, now),
  kubernetes: (tokens) => new KubernetesAuth(tokens),
};

const OTHER_ENGINES = ['transit', 'pki', 'ssh', 'totp', 'database', 'rabbitmq'];

/** The endpoints below `sys/` and `auth/token/` that need a token. */
export class System {
  constructor(
    private readonly deps: {
      readonly tokens: TokenStore;
      readonly namespaces: Map<string, VaultNamespace>;
      readonly now: () => Date;
      readonly seal: () => void;
    },
  ) {}

  handle(call: VaultCall, namespace: VaultNamespace, token: Token): VaultAnswer {
    const { path } = call;
    const [head = '', ...rest] = path.split('/');
    const writes = call.operation === 'create' || call.operation === 'update';
    const name = rest.join('/');
    switch (head) {
      case 'seal':
        this.deps.seal();
        return NO_CONTENT;
      case 'mounts':
        return name === '' ? listMounts(namespace.mounts) : this.mount(call, namespace, name);
      case 'auth':
        return name === '' ? listMounts(namespace.auths) : this.enableAuth(call, namespace, name);
      case 'namespaces':
        if (writes) this.deps.namespaces.set(name, new VaultNamespace());
        if (call.operation === 'delete') this.deps.namespaces.delete(name);
        return writes ? { status: 200, data: JSON.stringify({ id: name, path: `${name}/` }) } : NO_CONTENT;
      case 'internal':
        if (name === 'ui/mounts') return listMounts(namespace.mounts);
        if (name.startsWith('ui/mounts/'))
          return lookUpMount(namespace, name.slice('ui/mounts/'.length), token);
        throw NOT_FOUND;
      case 'policy':
      case 'policies':
        return this.policy(call, namespace, head === 'policies' ? rest.slice(1).join('/') : name);
      default:
        throw NOT_FOUND;
    }
  }

  /** `auth/token/…`. */
  token(call: VaultCall, token: Token): VaultAnswer {
    const { tokens } = this.deps;
    switch (call.path) {
      case 'lookup-self':
        return { status: 200, data: this.describe(token) };
      case 'renew-self':
        tokens.renew(token, Number(field(call, 'increment') ?? 0) || 0);
        return { status: 200, auth: authBlock(token, tokens.ttlSeconds(token)) };
      case 'revoke-self':
        if (token.type === 'batch') throw new VaultFault(400, ['batch tokens cannot be revoked']);
        tokens.revoke(token.id);
        return NO_CONTENT;
      case 'revoke':
        tokens.revoke(textField(call, 'token'));
        return NO_CONTENT;
      case 'create':
      case 'create-orphan':
        return this.createToken(call);
      default:
        throw NOT_FOUND;
    }
  }

  private createToken(call: VaultCall): VaultAnswer {
    const { tokens } = this.deps;
    const parameters = tokenParameters(call);
    const policies = parameters.policies.length === 0 ? ['root'] : parameters.policies;
    const token = tokens.create({
      ...parameters,
      policies,
      maxTtlSeconds: seconds(call, 'explicit_max_ttl'),
      periodSeconds: seconds(call, 'period'),
      renewable: field(call, 'renewable') !== false,
      numUses: Number(field(call, 'num_uses') ?? 0),
      noDefaultPolicy: field(call, 'no_default_policy') === true,
      type: textField(call, 'type') === 'batch' ? 'batch' : 'service',
    });
    return { status: 200, auth: authBlock(token, tokens.ttlSeconds(token)) };
  }

  private describe(token: Token): string {
    const iso = (ms: number): string => new Date(ms).toISOString();
    return JSON.stringify({
      accessor: token.accessor,
      creation_time: Math.floor(token.createdMs / 1000),
      creation_ttl: token.creationTtlSeconds,
      display_name: token.displayName,
      entity_id: '',
      expire_time: token.endsMs === undefined ? null : iso(token.endsMs),
      explicit_max_ttl: token.maxTtlSeconds,
      id: token.id,
      issue_time: iso(token.createdMs),
      meta: token.metadata,
      num_uses: token.usesLeft,
      orphan: true,
      path: token.path,
      ...(token.periodSeconds > 0 ? { period: token.periodSeconds } : {}),
      policies: token.policies,
      renewable: token.renewable,
      ttl: this.deps.tokens.ttlSeconds(token),
      type: token.type,
    });
  }

  private mount(call: VaultCall, { mounts }: VaultNamespace, name: string): VaultAnswer {
    const path = name.replace(/\/+$/, '').replace(/\/tune$/, '');
    if (call.operation === 'delete') {
      mounts.remove(path);
      return NO_CONTENT;
    }
    if (call.operation === 'read') return mountOrFault(mounts, path);
    if (name.endsWith('/tune')) return NO_CONTENT;
    const type = textField(call, 'type');
    const { version = '1' } = (field(call, 'options') ?? {}) as { version?: string };
    const engine = this.engine(type, String(version));
    if (!mounts.add(path, engine)) throw new VaultFault(400, [`path is already in use at ${path}/`]);
    return NO_CONTENT;
  }

  private engine(type: string, version: string): Mount {
    if (type === 'kv-v2' || (type === 'kv' && version === '2')) return new KvV2(this.deps.now);
    if (type === 'kv' || type === 'kv-v1' || type === 'generic') return new KvV1();
    if (OTHER_ENGINES.includes(type)) return new OtherEngine(type);
    throw new VaultFault(400, [`plugin not found in the catalog: ${type}`]);
  }

  private enableAuth(call: VaultCall, { auths }: VaultNamespace, name: string): VaultAnswer {
    const path = name.replace(/\/+$/, '').replace(/\/tune$/, '');
    if (call.operation === 'delete') {
      auths.remove(path);
      return NO_CONTENT;
    }
    if (call.operation === 'read') return mountOrFault(auths, path);
    if (name.endsWith('/tune')) return NO_CONTENT;
    const type = textField(call, 'type');
    const make = Object.hasOwn(AUTH_METHODS, type) ? AUTH_METHODS[type] : undefined;
    if (make === undefined) throw new VaultFault(400, [`plugin not found in the catalog: ${type}`]);
    if (!auths.add(path, make(this.deps.tokens, this.deps.now))) {
      throw new VaultFault(400, [`path is already in use at ${path}/`]);
    }
    return NO_CONTENT;
  }

  private policy(call: VaultCall, { policies }: VaultNamespace, name: string): VaultAnswer {
    switch (call.operation) {
      case 'create':
      case 'update': {
        const text = textField(call, 'policy');
        policies.set(name, { text, rules: parsePolicy(text) });
        return NO_CONTENT;
      }
      case 'read': {
        const policy = policies.get(name);
        if (policy === undefined) throw NOT_FOUND;
        return { status: 200, data: JSON.stringify({ name, policy: policy.text }) };
      }
      case 'delete':
        policies.delete(name);
        return NO_CONTENT;
      default:
        throw unsupported();
    }
  }
}

/** Any rule on the mount is enough, even a deny; a missing mount is refused to root as well (tried). */
function lookUpMount(namespace: VaultNamespace, path: string, token: Token): VaultAnswer {
  const found = namespace.mounts.find(path);
  const isRoot = token.policies.includes('root');
  if (found === undefined || !(isRoot || concerns(`${found.at}/`, namespace.rulesOf(token)))) {
    throw new VaultFault(403, [
      `preflight capability check returned 403, please ensure client's policies grant access to path "${path}/"`,
    ]);
  }
  return { status: 200, data: JSON.stringify({ ...describeMount(found.mount), path: `${found.at}/` }) };
}

function describeMount(mount: Mount): Record<string, unknown> {
  // A v1 mount made without options has none (tried).
  const options = mount.type === 'kv' && mount.options?.version === '1' ? {} : mount.options;
  return {
    accessor: `${mount.type}_${randomUUID().slice(0, 8)}`,
    config: { default_lease_ttl: 0, force_no_cache: false, max_lease_ttl: 0 },
    description: '',
    local: false,
    options,
    seal_wrap: false,
    type: mount.type,
  };
}

function listMounts(mounts: MountTable<Mount>): VaultAnswer {
  const entries = [...mounts.entries()].map(([path, mount]) => [`${path}/`, describeMount(mount)]);
  const data = JSON.stringify(Object.fromEntries(entries));
  return { status: 200, data };
}

function mountOrFault(mounts: MountTable<Mount>, path: string): VaultAnswer {
  const mount = mounts.get(path);
  if (mount === undefined) throw new VaultFault(400, [`No secret engine mount at ${path}/`]);
  return { status: 200, data: JSON.stringify(describeMount(mount)) };
}

function seconds(call: VaultCall, name: string): number {
  return tokenParameters({ body: new Map([['token_ttl', call.body.get(name) ?? '0']]) }).ttlSeconds ?? 0;
}
