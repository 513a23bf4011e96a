import type { AuthContext } from './auth/auth-methods.js';
import { boolField } from './fields.js';
import type { Mount } from './mounts.js';
import type { Namespaces, VaultNamespace } from './namespaces.js';
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
import { handleUiMounts, SysMounts } from './sys-mounts.js';
import { handlePolicies } from './sys-policies.js';

const RESERVED_NAMESPACES = ['root', 'sys', 'audit', 'auth', 'cubbyhole', 'identity'];

/** The endpoints below `sys/` of one namespace. */
export class SystemBackend implements Mount {
  readonly type = 'system';
  private readonly mounts: SysMounts;

  constructor(
    private readonly namespace: VaultNamespace,
    private readonly deps: {
      readonly namespaces: () => Namespaces;
      readonly context: Omit<AuthContext, 'mountPath' | 'namespace'>;
    },
  ) {
    this.mounts = new SysMounts(namespace, { ...deps.context, namespace: namespace.path });
  }

  exists(): boolean {
    return true;
  }

  isOpen(path: string): boolean {
    return path === 'internal/ui/mounts' || path.startsWith('internal/ui/mounts/');
  }

  needsSudo(path: string): boolean {
    return path.startsWith('auth/') || path.startsWith('leases/revoke-prefix/');
  }

  wipe(): void {
    // No data to delete.
  }

  handle(call: VaultCall): VaultAnswer {
    const [head = '', ...rest] = call.path.split('/');
    const name = rest.join('/');
    switch (head) {
      case 'mounts':
      case 'auth':
        return this.mounts.handle(call, head, name);
      case 'namespaces':
        return this.namespaces(call, name.replace(/\/+$/, ''));
      case 'internal':
        return this.internal(call, name);
      case 'leases':
        if (rest[0] !== 'revoke-prefix' || rest.length === 1) throw unsupportedPath();
        return this.revokePrefix(call, rest.slice(1).join('/'));
      case 'policies':
        if (rest[0] !== 'acl') throw unsupportedPath();
        return handlePolicies(call, this.namespace, rest.slice(1).join('/'));
      default:
        throw unsupportedPath();
    }
  }

  private internal(call: VaultCall, name: string): VaultAnswer {
    if (name === 'ui/mounts') return handleUiMounts(call, this.namespace, '');
    if (name.startsWith('ui/mounts/')) {
      return handleUiMounts(call, this.namespace, name.slice('ui/mounts/'.length));
    }
    throw unsupportedPath();
  }

  /** `handleRevokePrefixCommon` in Vault's logical_system.go; of leases only those of tokens are here. */
  private revokePrefix(call: VaultCall, prefix: string): VaultAnswer {
    if (!isWrite(call.operation)) throw unsupportedOperation();
    this.deps.context.tokens.revokePrefix(this.namespace.path, prefix.replace(/\/+$/, ''));
    return boolField(call, 'sync') === false ? { status: 202 } : NO_CONTENT;
  }

  private namespaces(call: VaultCall, name: string): VaultAnswer {
    const namespaces = this.deps.namespaces();
    const full = `${this.namespace.path}${name}/`;
    if (name === '') throw unsupportedOperation();
    switch (call.operation) {
      case 'create':
      case 'update':
        if (name.includes('/')) throw badRequest('namespace name cannot contain /');
        if (RESERVED_NAMESPACES.includes(name)) {
          throw badRequest(`"${name}/" is a reserved path and cannot be used as a namespace name`);
        }
        return { status: 200, data: goJson(describe(namespaces.create(full))) };
      case 'delete':
        if (namespaces.get(full) === undefined) {
          return { status: 200, warnings: ['requested namespace does not exist'] };
        }
        if (namespaces.below(full).length > 0)
          throw badRequest('cannot delete a namespace with child namespaces');
        namespaces.remove(full);
        this.deps.context.tokens.revokeNamespace(full);
        return { status: 200, data: '{"status":"in-progress"}' };
      default:
        throw unsupportedOperation();
    }
  }
}

function describe(namespace: VaultNamespace | undefined): Record<string, unknown> {
  return {
    custom_metadata: {},
    id: namespace?.id,
    locked: false,
    path: namespace?.path,
    tainted: false,
    uuid: namespace?.uuid,
  };
}
