import { randomUUID } from 'node:crypto';

import { unsupported } from '../kv-v1.js';
import {
  field,
  NO_CONTENT,
  NOT_FOUND,
  secondsField,
  textField,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from '../protocol.js';
import type { TokenRequest, TokenStore } from '../tokens.js';
import { type AuthMethod, loginAnswer, tokenParameters } from './auth-method.js';

interface SecretId {
  usesLeft: number;
  readonly endsMs: number | undefined;
}

interface Role {
  roleId: string;
  readonly bindSecretId: boolean;
  readonly secretIdNumUses: number;
  readonly secretIdTtlSeconds: number;
  readonly token: TokenRequest;
  readonly secretIds: Map<string, SecretId>;
}

export class AppRole implements AuthMethod {
  readonly type = 'approle';
  readonly options = null;
  private readonly roles = new Map<string, Role>();

  constructor(
    private readonly tokens: TokenStore,
    private readonly now: () => Date,
  ) {}

  exists(path: string): boolean {
    return this.roles.has(path.split('/')[1] ?? '');
  }

  isLogin(path: string): boolean {
    return path === 'login';
  }

  handle(call: VaultCall): VaultAnswer {
    const writes = call.operation === 'create' || call.operation === 'update';
    if (call.path === 'login') {
      if (!writes) throw unsupported();
      return this.login(textField(call, 'role_id'), textField(call, 'secret_id'));
    }
    const [folder, name = '', item] = call.path.split('/');
    if (folder !== 'role' || name === '') throw NOT_FOUND;
    if (item === undefined && writes) return this.writeRole(name, call);
    const role = this.roles.get(name);
    if (role === undefined) throw NOT_FOUND;
    if (item === 'role-id') {
      if (writes) role.roleId = textField(call, 'role_id');
      return writes ? NO_CONTENT : { status: 200, data: JSON.stringify({ role_id: role.roleId }) };
    }
    if (item === 'secret-id' && writes) return this.newSecretId(role);
    if (call.operation === 'delete') this.roles.delete(name);
    return NO_CONTENT;
  }

  wipe(): void {
    this.roles.clear();
  }

  private writeRole(name: string, call: VaultCall): VaultAnswer {
    this.roles.set(name, {
      roleId: this.roles.get(name)?.roleId ?? randomUUID(),
      bindSecretId: field(call, 'bind_secret_id') !== false,
      secretIdNumUses: Number(field(call, 'secret_id_num_uses') ?? 0),
      secretIdTtlSeconds: secondsField(call, 'secret_id_ttl'),
      token: tokenParameters(call),
      secretIds: new Map(),
    });
    return NO_CONTENT;
  }

  private newSecretId(role: Role): VaultAnswer {
    const secretId = randomUUID();
    const ttl = role.secretIdTtlSeconds;
    const endsMs = ttl > 0 ? this.now().getTime() + ttl * 1000 : undefined;
    role.secretIds.set(secretId, { usesLeft: role.secretIdNumUses, endsMs });
    const data = {
      secret_id: secretId,
      secret_id_accessor: randomUUID(),
      secret_id_num_uses: role.secretIdNumUses,
      secret_id_ttl: ttl,
    };
    return { status: 200, data: JSON.stringify(data) };
  }

  private login(roleId: string, secretId: string): VaultAnswer {
    if (roleId === '') throw new VaultFault(400, ['missing role_id']);
    const role = [...this.roles.values()].find((candidate) => candidate.roleId === roleId);
    if (role === undefined) throw new VaultFault(400, ['invalid role or secret ID']);
    if (role.bindSecretId) {
      if (secretId === '') throw new VaultFault(400, ['missing secret_id']);
      const known = role.secretIds.get(secretId);
      const expired = known?.endsMs !== undefined && known.endsMs <= this.now().getTime();
      if (known === undefined || expired) throw new VaultFault(400, ['invalid role or secret ID']);
      if (known.usesLeft > 0) {
        known.usesLeft -= 1;
        if (known.usesLeft === 0) role.secretIds.delete(secretId);
      }
    }
    return loginAnswer(this.tokens, { ...role.token, displayName: 'approle', path: 'auth/approle/login' });
  }
}
