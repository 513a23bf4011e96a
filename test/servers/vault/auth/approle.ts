import { randomUUID } from 'node:crypto';

import { admitsPeer, checkedCidrs } from '../cidr.js';
import { boolField, has, intField, listField, secondsField, textField } from '../fields.js';
import {
  badRequest,
  BackendError,
  isWrite,
  NO_CONTENT,
  notFound,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import { goJson } from '../raw-json.js';
import {
  type AuthContext,
  AuthMount,
  loginAnswer,
  type TokenParameters,
  tokenParameters,
} from './auth-method.js';

interface SecretId {
  readonly accessor: string;
  readonly ttlSeconds: number;
  readonly createdMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** 0: any number. */
  usesLeft: number;
}

interface Role {
  readonly roleId: string;
  readonly bindSecretId: boolean;
  /** CIDR blocks that may log in; empty: everywhere. */
  readonly secretIdBoundCidrs: readonly string[];
  readonly secretIdNumUses: number;
  readonly secretIdTtlSeconds: number;
  readonly parameters: TokenParameters;
  readonly secretIds: Map<string, SecretId>;
}

/** Role id and secret id. */
export class AppRole extends AuthMount {
  readonly type = 'approle';
  private readonly roles = new Map<string, Role>();

  constructor(private readonly context: AuthContext) {
    super();
  }

  override exists(path: string): boolean {
    const [, name] = /^role\/([^/]+)$/.exec(path) ?? [];
    return name === undefined || this.roles.has(name.toLowerCase());
  }

  wipe(): void {
    this.roles.clear();
  }

  handle(call: VaultCall): VaultAnswer {
    if (call.path === 'login') {
      if (!isWrite(call.operation)) throw unsupportedOperation();
      // Both are trimmed (path_login.go).
      return this.login(textField(call, 'role_id').trim(), textField(call, 'secret_id').trim());
    }
    const [folder, name = '', item = '', detail = ''] = call.path.split('/');
    if (folder !== 'role') throw unsupportedPath();
    const key = name.toLowerCase();
    if (key === '') {
      throw unsupportedOperation();
    }
    switch (item) {
      case '':
        return this.role(call, key);
      case 'role-id':
        return this.roleId(call, key);
      case 'secret-id':
      case 'custom-secret-id':
        if (item === 'secret-id' && detail === 'destroy') return this.destroySecretId(call, name);
        if (detail !== '') throw unsupportedPath();
        return this.secretId(call, key, item);
      default:
        throw unsupportedPath();
    }
  }

  private role(call: VaultCall, key: string): VaultAnswer {
    const role = this.roles.get(key);
    switch (call.operation) {
      case 'create':
      case 'update':
        this.writeRole(call, key, role);
        return NO_CONTENT;
      case 'delete':
        this.roles.delete(key);
        return NO_CONTENT;
      default:
        throw unsupportedOperation();
    }
  }

  private writeRole(call: VaultCall, key: string, before: Role | undefined): void {
    const roleId = textField(call, 'role_id') || (before?.roleId ?? randomUUID());
    const bindSecretId = boolField(call, 'bind_secret_id') ?? before?.bindSecretId ?? true;
    const secretIdBoundCidrs = has(call, 'secret_id_bound_cidrs')
      ? checkedCidrs(listField(call, 'secret_id_bound_cidrs'))
      : (before?.secretIdBoundCidrs ?? []);
    const parameters = tokenParameters(call, before?.parameters);
    // `validateRoleConstraints`
    if (!bindSecretId && secretIdBoundCidrs.length === 0 && parameters.boundCidrs.length === 0)
      throw new BackendError(500, 'at least one constraint should be enabled on the role');
    const other = this.byRoleId(roleId);
    if (other !== undefined && other !== before) throw new BackendError(500, 'role_id already in use');
    this.roles.set(key, {
      roleId,
      bindSecretId,
      secretIdBoundCidrs,
      secretIdNumUses: intField(call, 'secret_id_num_uses') ?? before?.secretIdNumUses ?? 0,
      secretIdTtlSeconds: secondsField(call, 'secret_id_ttl') ?? before?.secretIdTtlSeconds ?? 0,
      parameters,
      secretIds: before?.secretIds ?? new Map(),
    });
  }

  private roleId(call: VaultCall, key: string): VaultAnswer {
    const role = this.roles.get(key);
    if (call.operation === 'read') {
      if (role === undefined) throw notFound();
      return { status: 200, data: goJson({ role_id: role.roleId }) };
    }
    throw unsupportedOperation();
  }

  private secretId(call: VaultCall, key: string, item: string): VaultAnswer {
    const role = this.roles.get(key);
    if (!isWrite(call.operation)) throw unsupportedOperation();
    if (role === undefined) throw new VaultFault(404, [`role "${key}" does not exist`]);
    const sent = textField(call, 'secret_id');
    if (item === 'custom-secret-id' && sent === '') throw badRequest('missing secret_id');
    return this.newSecretId(call, role, item === 'secret-id' ? randomUUID() : sent);
  }

  /** `pathRoleSecretIDDestroyUpdateDelete` in Vault's path_role.go. */
  private destroySecretId(call: VaultCall, name: string): VaultAnswer {
    if (!isWrite(call.operation) && call.operation !== 'delete') throw unsupportedOperation();
    const secretId = textField(call, 'secret_id');
    if (secretId === '') throw badRequest('missing secret_id');
    const role = this.roles.get(name.toLowerCase());
    if (role === undefined) throw new BackendError(500, `role "${name}" does not exist`);
    role.secretIds.delete(secretId);
    return NO_CONTENT;
  }

  private newSecretId(call: VaultCall, role: Role, id: string): VaultAnswer {
    const usesLeft = intField(call, 'num_uses') ?? role.secretIdNumUses;
    const ttlSeconds = secondsField(call, 'ttl') ?? role.secretIdTtlSeconds;
    const exceeds = (value: number, limit: number): boolean => limit > 0 && (value === 0 || value > limit);
    if (usesLeft < 0) throw badRequest('num_uses cannot be negative');
    if (exceeds(usesLeft, role.secretIdNumUses)) {
      throw badRequest("num_uses cannot be higher than the role's secret_id_num_uses");
    }
    if (exceeds(ttlSeconds, role.secretIdTtlSeconds)) {
      throw badRequest("ttl cannot be longer than the role's secret_id_ttl");
    }
    const metadata = textField(call, 'metadata');
    const created: SecretId = {
      accessor: randomUUID(),
      ttlSeconds,
      createdMs: this.context.now().getTime(),
      metadata: metadata === '' ? {} : (JSON.parse(metadata) as Record<string, string>),
      usesLeft,
    };
    role.secretIds.set(id, created);
    const data = {
      secret_id: id,
      secret_id_accessor: created.accessor,
      secret_id_num_uses: created.usesLeft,
      secret_id_ttl: created.ttlSeconds,
    };
    return { status: 200, data: goJson(data) };
  }

  private alive(role: Role, id: string): SecretId | undefined {
    const secretId = role.secretIds.get(id);
    if (secretId === undefined || secretId.ttlSeconds === 0) return secretId;
    const endsMs = secretId.createdMs + secretId.ttlSeconds * 1000;
    if (endsMs > this.context.now().getTime()) return secretId;
    role.secretIds.delete(id);
    return undefined;
  }

  private login(roleId: string, id: string): VaultAnswer {
    // The look-ahead for the alias, which user lockout asks for first, fails with an error and no answer.
    if (roleId === '') throw new BackendError(500, 'missing role_id');
    const role = this.byRoleId(roleId);
    if (role === undefined) throw badRequest('invalid role or secret ID');
    const metadata = role.bindSecretId ? this.useSecretId(role, id) : {};
    if (!admitsPeer(role.secretIdBoundCidrs)) {
      throw badRequest(
        'source address "127.0.0.1" unauthorized by CIDR restrictions on the role: %!w(<nil>)',
      );
    }
    const [name = ''] = [...this.roles].find(([, candidate]) => candidate === role) ?? [];
    return loginAnswer(this.context, {
      parameters: role.parameters,
      alias: role.roleId,
      displayName: '',
      path: 'login',
      metadata: { role_name: name, ...metadata },
      mayRenew: () => {
        if (this.roles.get(name) === undefined) {
          throw new BackendError(500, `role "${name}" does not exist during renewal`);
        }
      },
    });
  }

  private useSecretId(role: Role, id: string): SecretId['metadata'] {
    if (id === '') throw badRequest('missing secret_id');
    const secretId = this.alive(role, id);
    if (secretId === undefined) throw badRequest('invalid role or secret ID');
    if (secretId.usesLeft === 1) role.secretIds.delete(id);
    if (secretId.usesLeft > 1) secretId.usesLeft -= 1;
    return secretId.metadata;
  }

  private byRoleId(roleId: string): Role | undefined {
    return [...this.roles.values()].find((role) => role.roleId === roleId);
  }
}
