import { randomUUID } from 'node:crypto';

import { badRequest, type VaultAnswer, type VaultCall } from './protocol.js';

/** A secrets engine or auth method at a path. */
export interface Mount {
  readonly type: string;
  /** Whether a write updates rather than creates; true for mounts without this distinction. */
  exists(path: string): boolean;
  /** Whether a path is unauthenticated, such as a login. */
  isOpen(path: string): boolean;
  /** Whether a path needs the `sudo` capability as well. */
  needsSudo(path: string): boolean;
  handle(call: VaultCall): VaultAnswer | Promise<VaultAnswer>;
  /** Deletes its data. */
  wipe(): void;
}

/** A mounted engine that serves no path; for all engines other than K/V. */
export class OtherEngine implements Mount {
  constructor(readonly type: string) {}

  exists(): boolean {
    return true;
  }

  isOpen(): boolean {
    return false;
  }

  needsSudo(): boolean {
    return false;
  }

  handle(): VaultAnswer {
    return { status: 404, raw: '{"errors":["1 error occurred:\\n\\t* unsupported path\\n\\n"]}\n' };
  }

  wipe(): void {
    // No data to delete.
  }
}

export interface MountSettings {
  description?: string;
  /** Null for built-in mounts, empty for mounts created without options. */
  options?: Readonly<Record<string, string>> | null;
  defaultLeaseTtlSeconds?: number;
  maxLeaseTtlSeconds?: number;
  local?: boolean;
}

/** A mount and its metadata in `sys/mounts`. */
export class MountEntry<M extends Mount = Mount> {
  readonly accessor: string;
  readonly uuid = randomUUID();

  constructor(
    /** With a slash at the end. */
    readonly path: string,
    readonly mount: M,
    readonly settings: MountSettings,
    private readonly table: 'auth' | 'secret',
  ) {
    const prefix = table === 'auth' ? 'auth_' : '';
    this.accessor = `${prefix}${mount.type}_${randomUUID().slice(0, 8)}`;
  }

  describe(): Record<string, unknown> {
    const { settings } = this;
    return {
      accessor: this.accessor,
      config: {
        default_lease_ttl: settings.defaultLeaseTtlSeconds ?? 0,
        force_no_cache: false,
        max_lease_ttl: settings.maxLeaseTtlSeconds ?? 0,
        ...(this.table === 'auth' ? { token_type: 'default-service' } : {}),
      },
      description: settings.description ?? '',
      external_entropy_access: false,
      local: settings.local ?? false,
      options: settings.options === undefined ? {} : settings.options,
      plugin_version: '',
      running_plugin_version: '',
      running_sha256: '',
      seal_wrap: false,
      type: this.mount.type,
      uuid: this.uuid,
    };
  }
}

/** Mounts by path with a slash at the end; they never nest. */
export class MountTable {
  private readonly mounts = new Map<string, MountEntry>();

  constructor(private readonly kind: 'auth' | 'secret') {}

  /** @throws VaultFault 400 when the path is taken. */
  add(path: string, mount: Mount, settings: MountSettings = {}): MountEntry {
    for (const other of this.mounts.keys()) {
      if (path.startsWith(other) || other.startsWith(path)) {
        throw badRequest(`path is already in use at ${other}`);
      }
    }
    const entry = new MountEntry(path, mount, settings, this.kind);
    this.mounts.set(path, entry);
    return entry;
  }

  remove(path: string): void {
    this.mounts.delete(path);
  }

  get(path: string): MountEntry | undefined {
    return this.mounts.get(path);
  }

  /** The mount of a path; the path of the mount itself matches with or without its slash. */
  find(path: string): { readonly entry: MountEntry; readonly rest: string } | undefined {
    for (const [at, entry] of this.mounts) {
      if (path.startsWith(at)) return { entry, rest: path.slice(at.length) };
      if (`${path}/` === at) return { entry, rest: '' };
    }
    return undefined;
  }

  entries(): MountEntry[] {
    return [...this.mounts.values()];
  }
}
