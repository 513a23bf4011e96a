import {
  NO_CONTENT,
  unsupportedOperation,
  unsupportedPath,
  type VaultAnswer,
  type VaultCall,
} from '../protocol.js';

/** The entries of an auth method below one path. */
interface EntryKind<Entry> {
  /** `role`, `users`, `certs`. */
  readonly folder: string;
  /** @throws VaultFault when the entry cannot be as it is asked for. */
  readonly parse: (call: VaultCall, before: Entry | undefined, name: string) => Entry;
}

/** Roles or users of an auth method: write and delete only; names are converted to lower case. */
export class NamedEntries<Entry> {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly kind: EntryKind<Entry>) {}

  get(name: string): Entry | undefined {
    return this.entries.get(name.toLowerCase());
  }

  values(): Entry[] {
    return [...this.entries.values()];
  }

  clear(): void {
    this.entries.clear();
  }

  /** As `ExistenceFunc`, which decides between create and update: true for every path that names no entry. */
  exists(path: string): boolean {
    const [folder, name, ...rest] = path.split('/');
    if (folder !== this.kind.folder || name === undefined || rest.length > 0) return true;
    return this.entries.has(name.toLowerCase());
  }

  /** The folder and what lies in it. */
  handle(call: VaultCall): VaultAnswer {
    const [folder, name = ''] = call.path.split('/');
    if (folder !== this.kind.folder) throw unsupportedPath();
    if (name === '') throw unsupportedOperation();
    return this.entry(call, name.toLowerCase());
  }

  private entry(call: VaultCall, name: string): VaultAnswer {
    const before = this.entries.get(name);
    switch (call.operation) {
      case 'create':
      case 'update':
        this.entries.set(name, this.kind.parse(call, before, name));
        return NO_CONTENT;
      case 'delete':
        this.entries.delete(name);
        return NO_CONTENT;
      default:
        throw unsupportedOperation();
    }
  }
}
