import { NO_METADATA } from '../../reconcile/wanted-metadata.js';
import type {
  ChangeOptions,
  KvMetadata,
  KvMetadataChange,
  KvReading,
  KvSecret,
} from '../../vault/kv-store.js';
import { VaultError } from '../../vault/vault-error.js';

/** The metadata of one secret, and what they would be. */
export interface MetadataInVault {
  readonly before: KvMetadata | 'unreadable';
  readonly after: KvMetadata | undefined;
}

/** The part of a Vault that takes no writes which holds metadata. */
export class DryRunMetadata {
  private readonly reads = new Map<string, Promise<KvMetadata | undefined>>();
  private readonly seen = new Map<string, KvMetadata | 'unreadable'>();
  private readonly planned = new Map<string, KvMetadata>();

  /** The metadata as they would be; each path is read once. */
  async read(path: string, real: KvSecret, signal?: AbortSignal): Promise<KvMetadata | undefined> {
    const planned = this.planned.get(path);
    if (planned !== undefined) return planned;
    const read = this.reads.get(path) ?? real.readMetadata?.(signal) ?? Promise.resolve(undefined);
    this.reads.set(path, read);
    try {
      const found = await read;
      this.seen.set(path, found ?? NO_METADATA);
      return found;
    } catch (error) {
      if (!(error instanceof VaultError) || !error.isDenied) throw error;
      this.seen.set(path, 'unreadable');
      // The permissions of the caller say nothing about those of the operator.
      const at = error.facts.path ?? path;
      const message = `your token may not read ${at}, so the metadata cannot be compared: use one with read permission on it`;
      throw new VaultError('forbidden', message, { ...error.facts, path: at }, undefined, 'soon');
    }
  }

  async write(
    path: string,
    real: KvSecret,
    change: KvMetadataChange,
    { guard, signal }: ChangeOptions = {},
  ): Promise<void> {
    const now = (await this.read(path, real, signal)) ?? NO_METADATA;
    guard?.();
    this.planned.set(path, { ...now, ...change });
  }

  /** A reading of the data with the custom metadata that it would have. */
  shown(path: string, reading: KvReading): KvReading {
    const planned = this.planned.get(path);
    if (planned === undefined || reading.state === 'absent') return reading;
    const { customMetadata } = planned;
    const { customMetadata: _, ...rest } = reading;
    return customMetadata.size === 0 ? rest : { ...rest, customMetadata };
  }

  at(path: string): MetadataInVault | undefined {
    const before = this.seen.get(path);
    return before === undefined ? undefined : { before, after: this.planned.get(path) };
  }
}
