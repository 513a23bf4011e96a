import type { AuthContext } from './auth/auth-methods.js';
import { listField } from './fields.js';
import type { Mount } from './mounts.js';
import type { Namespaces, VaultNamespace } from './namespaces.js';
import {
  badRequest,
  isWrite,
  NO_CONTENT,
  notFound,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
} from './protocol.js';
import { goJson } from './raw-json.js';
import { handleUiMounts, SysMounts } from './sys-mounts.js';
import { handlePolicies } from './sys-policies.js';

const RESERVED_NAMESPACES = ['root', 'sys', 'audit', 'auth', 'cubbyhole', 'identity'];

/** The endpoints below `sys/` of one namespace, but those that answer while Vault is sealed. */
export class SystemBackend implements Mount {
  readonly type = 'system';
  private readonly mounts: SysMounts;

  constructor(
    private readonly namespace: VaultNamespace,
    private readonly deps: {
      readonly namespaces: () => Namespaces;
      readonly seal: () => void;
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
    return path.startsWith('auth/') || path === 'seal';
  }

  wipe(): void {
    // Holds no data.
  }

  handle(call: VaultCall): VaultAnswer {
    const [head = '', ...rest] = call.path.split('/');
    const name = rest.join('/');
    switch (head) {
      case 'seal':
        if (!isWrite(call.operation)) throw unsupportedOperation();
        this.deps.seal();
        return NO_CONTENT;
      case 'mounts':
      case 'auth':
        return this.mounts.handle(call, head, name);
      case 'namespaces':
        return this.namespaces(call, name.replace(/\/+$/, ''));
      case 'internal':
        return this.internal(call, name);
      case 'policy':
        return handlePolicies(call, this.namespace, name, true);
      case 'policies':
        if (rest[0] !== 'acl') throw unsupportedPath();
        return handlePolicies(call, this.namespace, rest.slice(1).join('/'), false);
      case 'capabilities-self':
        return capabilitiesSelf(call);
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

  private namespaces(call: VaultCall, name: string): VaultAnswer {
    const namespaces = this.deps.namespaces();
    const full = `${this.namespace.path}${name}/`;
    if (name === '') {
      if (call.operation !== 'list') throw unsupportedOperation();
      const paths = namespaces.below(this.namespace.path).filter((path) => /^[^/]+\/$/.test(path));
      if (paths.length === 0) throw notFound();
      const keyInfo = paths.map((path) => [path, describe(namespaces.get(this.namespace.path + path))]);
      return {
        status: 200,
        data: goJson({ key_info: Object.fromEntries(keyInfo) as unknown, keys: paths.sort() }),
      };
    }
    switch (call.operation) {
      case 'read': {
        const found = namespaces.get(full);
        if (found === undefined) throw notFound();
        return { status: 200, data: goJson(describe(found)) };
      }
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

function capabilitiesSelf(call: VaultCall): VaultAnswer {
  if (!isWrite(call.operation)) throw unsupportedOperation();
  const paths = [...listField(call, 'paths'), ...listField(call, 'path')];
  if (paths.length === 0) throw badRequest('paths must be supplied');
  const found = paths.map((path) => [path, call.acl?.capabilities(path) ?? ['deny']]);
  const single = paths.length === 1 ? { capabilities: found[0]?.[1] } : {};
  return { status: 200, data: goJson({ ...(Object.fromEntries(found) as object), ...single }), flat: true };
}
