import { type AuthContext, makeAuthMethod } from './auth/auth-methods.js';
import { mapField, objectField, secondsField, textField } from './fields.js';
import { KvV1 } from './kv-v1.js';
import { KvV2 } from './kv-v2.js';
import { type Mount, type MountEntry, type MountSettings, type MountTable, OtherEngine } from './mounts.js';
import type { VaultNamespace } from './namespaces.js';
import {
  badRequest,
  NO_CONTENT,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
  VaultFault,
} from './protocol.js';
import { goJson } from './raw-json.js';

const OTHER_ENGINES = ['transit', 'pki', 'ssh', 'totp', 'database', 'rabbitmq', 'kubernetes', 'ldap'];
const BUILT_IN = ['cubbyhole', 'identity', 'system', 'token'];
const RESERVED = /^(sys|auth|cubbyhole|identity|audit)\//;

/** `sys/mounts/…` and `sys/auth/…`: the same endpoints over two tables. */
export class SysMounts {
  constructor(
    private readonly namespace: VaultNamespace,
    private readonly context: Omit<AuthContext, 'mountPath' | 'accessor'>,
  ) {}

  handle(call: VaultCall, table: 'mounts' | 'auth', name: string): VaultAnswer {
    const { mounts, auths } = this.namespace;
    const list = table === 'auth' ? auths : mounts;
    if (name === '') {
      if (call.operation !== 'read') throw unsupportedOperation();
      return { status: 200, data: goJson(described(list)), flat: true };
    }
    // Nothing here changes a mount.
    if (name.endsWith('/tune')) throw unsupportedPath();
    const path = `${name.replace(/\/+$/, '')}/`;
    switch (call.operation) {
      case 'read': {
        const entry = list.get(path);
        if (entry !== undefined) return { status: 200, data: goJson(entry.describe()), flat: true };
        throw badRequest(
          `No ${table === 'auth' ? 'auth' : 'secret'} engine${table === 'auth' ? '' : ' mount'} at ${path}`,
        );
      }
      case 'create':
      case 'update':
        if (table === 'auth') this.enableAuth(call, path);
        else this.mount(call, path);
        return NO_CONTENT;
      case 'delete':
        return this.unmount(list, table, path);
      default:
        throw unsupportedOperation();
    }
  }

  private mount(call: VaultCall, path: string): void {
    const type = textField(call, 'type');
    if (type === '') throw badRequest('backend type must be specified as a string');
    if (RESERVED.test(path)) throw badRequest(`cannot mount "${path}"`);
    if (BUILT_IN.includes(type)) throw badRequest(`mount type of "${type}" is not mountable`);
    const settings = settingsOf(call);
    if (type === 'kv-v2') settings.options = { ...settings.options, version: '2' };
    // Vault checks whether the path is free before it checks the plugin type.
    this.namespace.mounts.add(path, new OtherEngine('probe'));
    this.namespace.mounts.remove(path);
    const engine = this.engine(type, settings.options?.version);
    this.namespace.mounts.add(path, engine, settings);
  }

  private engine(type: string, version: string | undefined): Mount {
    if (type === 'generic') {
      if (version !== undefined)
        throw badRequest('secrets engine "generic" does not allow setting a version');
      return new KvV1('generic');
    }
    if (type === 'kv' || type === 'kv-v1' || type === 'kv-v2') {
      if (version === '2') return new KvV2(this.context.now);
      if (version !== undefined && version !== '' && version !== '0' && version !== '1') {
        throw badRequest(`nil backend of type "kv" returned from factory`);
      }
      return new KvV1();
    }
    if (OTHER_ENGINES.includes(type)) return new OtherEngine(type);
    throw badRequest(`plugin not found in the catalog: ${type}`);
  }

  private enableAuth(call: VaultCall, path: string): void {
    const type = textField(call, 'type');
    if (type === '') throw badRequest('backend type must be specified as a string');
    const { auths } = this.namespace;
    auths.add(path, new OtherEngine('probe'));
    auths.remove(path);
    const mount = makeAuthMethod(type, { ...this.context, mountPath: path, namespace: this.namespace.path });
    if (mount === undefined) throw badRequest(`plugin not found in the catalog: ${type}`);
    auths.add(path, mount, settingsOf(call));
  }

  private unmount(list: MountTable, table: 'mounts' | 'auth', path: string): VaultAnswer {
    if (table === 'auth' && path === 'token/')
      throw badRequest('token credential backend cannot be disabled');
    if (table === 'mounts' && RESERVED.test(path)) throw badRequest(`cannot unmount "${path}"`);
    list.remove(path);
    return NO_CONTENT;
  }
}

/** `sys/internal/ui/mounts`: the mounts that a token may see; the endpoint itself needs no permission. */
export function handleUiMounts(call: VaultCall, namespace: VaultNamespace, path: string): VaultAnswer {
  if (call.operation !== 'read') throw unsupportedOperation();
  const { acl } = call;
  if (path === '') {
    const visible = (list: MountTable, prefix: string): Record<string, unknown> =>
      described(list, (entry) => acl?.concernsMount(prefix + entry.path) === true);
    const data = { auth: visible(namespace.auths, 'auth/'), secret: visible(namespace.mounts, '') };
    return { status: 200, data: goJson(data) };
  }
  if (acl === undefined) throw new VaultFault(403, ['permission denied']);
  const isAuth = path.startsWith('auth/');
  const found = isAuth ? namespace.auths.find(path.slice('auth/'.length)) : namespace.mounts.find(path);
  const at = found === undefined ? '' : `${isAuth ? 'auth/' : ''}${found.entry.path}`;
  // A missing mount is a 403 for root, too, so that names cannot be probed.
  if (found === undefined || !acl.concernsMount(at)) {
    const sanitized = `${path.replace(/^\/+|\/+$/g, '')}/`;
    throw new VaultFault(403, [
      `preflight capability check returned 403, please ensure client's policies grant access to path "${sanitized}"`,
    ]);
  }
  return { status: 200, data: goJson({ ...found.entry.describe(), path: found.entry.path }) };
}

function described(
  list: MountTable,
  isVisible: (entry: MountEntry) => boolean = () => true,
): Record<string, unknown> {
  const entries = list.entries().filter(isVisible);
  return Object.fromEntries(entries.map((entry) => [entry.path, entry.describe()]));
}

function settingsOf(call: VaultCall): MountSettings {
  const config = { body: objectField(call, 'config') ?? new Map<string, string>() };
  return {
    description: textField(call, 'description'),
    options: Object.fromEntries(mapField(call, 'options') ?? []),
    defaultLeaseTtlSeconds: secondsField(config, 'default_lease_ttl') ?? 0,
    maxLeaseTtlSeconds: secondsField(config, 'max_lease_ttl') ?? 0,
  };
}
