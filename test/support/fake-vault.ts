import type { EngineVersion } from '../../src/api/resources.js';
import type {
  KvMetadata,
  KvMetadataChange,
  KvReading,
  KvSecret,
  KvStore,
  KvVersion,
} from '../../src/vault/kv-store.js';
import type { SecretData } from '../../src/vault/secret-data.js';
import { VaultError } from '../../src/vault/vault-error.js';

interface Stored {
  versions: { data: SecretData; created: string; gone: boolean }[];
  metadata: KvMetadata;
}

const NO_METADATA: KvMetadata = {
  maxVersions: 0,
  deleteVersionAfterSeconds: 0,
  casRequired: false,
  customMetadata: new Map(),
};

/** Vault drops older ones (`max_versions`, 10 by default). */
const MAX_VERSIONS = 10;

/** A K/V store in memory: mounts `kv` (v1) and `secret` (v2), with check-and-set and switches for faults. */
export class FakeVault implements KvStore {
  readonly v1 = new Map<string, SecretData>();
  readonly v2 = new Map<string, Stored>();
  reads = 0;
  writes = 0;
  metadataReads = 0;
  metadataWrites = 0;
  /** What a request for metadata is answered with instead. */
  metadataFailure: VaultError | undefined;
  down = false;
  /** Paths that may be written but not read. */
  readonly writeOnly = new Set<string>();
  /** Reads answer 403 for now: the permissions of the last login have not been replicated. */
  notReplicated = false;
  /** Every path is refused with it, as by the check of its mount. */
  refusal: VaultError | undefined;
  /** Called after every change, with the path. */
  onChange: (path: string) => void = () => undefined;
  /** Called at every read. */
  onRead: () => void = () => undefined;
  /** Called right before a v2 write is decided. */
  beforeWrite: () => void = () => undefined;
  private clock = 0;

  open(path: string, engine: EngineVersion): Promise<KvSecret> {
    return this.answer(() => {
      if (this.refusal !== undefined) throw this.refusal;
      return engine === 'v1' ? this.secretV1(path) : this.secretV2(path);
    });
  }

  mountIsGone(): Promise<boolean> {
    return Promise.resolve(false);
  }

  forgetMounts(): void {
    // Nothing is cached.
  }

  /** The content of a path, regardless of permissions. */
  peek(path: string, engine: EngineVersion): SecretData | undefined {
    if (engine === 'v1') return this.v1.get(path);
    const current = this.v2.get(path)?.versions.at(-1);
    return current?.gone === false ? current.data : undefined;
  }

  /** The metadata of a path, regardless of permissions; undefined when there are none. */
  metadataOf(path: string): KvMetadata | undefined {
    return this.v2.get(path)?.metadata;
  }

  /** Somebody else changes the metadata. */
  tamperMetadata(path: string, change: KvMetadataChange): void {
    const stored = this.stored(path);
    stored.metadata = { ...stored.metadata, ...change };
  }

  /** Somebody else writes. */
  tamper(path: string, engine: EngineVersion, data: SecretData): void {
    if (engine === 'v1') this.v1.set(path, data);
    else this.append(path, data);
  }

  /** Somebody else deletes the current version, or the whole secret with its history. */
  lose(path: string, how: 'version' | 'everything'): void {
    this.v1.delete(path);
    const current = this.v2.get(path)?.versions.at(-1);
    if (how === 'everything') this.v2.delete(path);
    else if (current !== undefined) current.gone = true;
  }

  private secretV1(path: string): KvSecret {
    return {
      engine: 'v1',
      read: () =>
        this.answer(() =>
          this.readable(path, (): KvReading => {
            const data = this.v1.get(path);
            return data === undefined ? { state: 'absent' } : { state: 'live', data };
          }),
        ),
      write: (data, _cas, options) =>
        this.answer(() => {
          options?.guard?.();
          if (data.size === 0) throw new VaultError('rejected', 'missing data fields');
          this.changed(path, () => this.v1.set(path, new Map(data)));
          return undefined;
        }),
      remove: (options) =>
        this.answer(() => {
          options?.guard?.();
          this.changed(path, () => this.v1.delete(path));
        }),
    };
  }

  private secretV2(path: string): KvSecret {
    return {
      engine: 'v2',
      createdTimeOf: (version) =>
        this.answer(() =>
          this.readable(path, () => {
            const { versions } = this.v2.get(path) ?? { versions: [] };
            return version > versions.length - MAX_VERSIONS ? versions[version - 1]?.created : undefined;
          }),
        ),
      read: () =>
        this.answer(() =>
          this.readable(path, (): KvReading => {
            const stored = this.v2.get(path);
            const current = stored?.versions.at(-1);
            if (stored === undefined || current === undefined) return { state: 'absent' };
            const version: KvVersion = { version: stored.versions.length, createdTime: current.created };
            const { customMetadata } = stored.metadata;
            const custom = customMetadata.size === 0 ? {} : { customMetadata };
            return current.gone
              ? { state: 'deleted', version, ...custom }
              : { state: 'live', data: current.data, version, ...custom };
          }),
        ),
      write: (data, cas, options) =>
        this.answer(() => {
          options?.guard?.();
          this.beforeWrite();
          if (cas !== (this.v2.get(path)?.versions.length ?? 0))
            throw new VaultError('rejected', 'check-and-set');
          this.changed(path, () => {
            this.append(path, data);
          });
          const versions = this.v2.get(path)?.versions ?? [];
          return { version: versions.length, createdTime: versions.at(-1)?.created ?? '' };
        }),
      remove: (options) =>
        this.answer(() => {
          options?.guard?.();
          this.changed(path, () => this.v2.delete(path));
        }),
      removeLatest: (options) =>
        this.answer(() => {
          options?.guard?.();
          const current = this.v2.get(path)?.versions.at(-1);
          this.changed(path, () => {
            if (current !== undefined) current.gone = true;
          });
        }),
      readMetadata: () =>
        this.answer(() => {
          this.metadataReads += 1;
          if (this.metadataFailure !== undefined) throw this.metadataFailure;
          return this.v2.get(path)?.metadata;
        }),
      writeMetadata: (change, options) =>
        this.answer(() => {
          options?.guard?.();
          if (this.metadataFailure !== undefined) throw this.metadataFailure;
          this.metadataWrites += 1;
          this.changed(path, () => {
            this.tamperMetadata(path, change);
          });
        }),
    };
  }

  private stored(path: string): Stored {
    const stored = this.v2.get(path) ?? { versions: [], metadata: NO_METADATA };
    this.v2.set(path, stored);
    return stored;
  }

  private append(path: string, data: SecretData): void {
    const stored = this.stored(path);
    this.clock += 1;
    stored.versions.push({ data: new Map(data), created: `time-${String(this.clock)}`, gone: false });
  }

  private readable<T>(path: string, read: () => T): T {
    this.reads += 1;
    this.onRead();
    if (this.notReplicated) throw new VaultError('forbidden', 'may not read yet', {}, undefined, 'soon');
    if (this.writeOnly.has(path)) throw new VaultError('forbidden', 'may not read');
    return read();
  }

  private changed(path: string, change: () => void): void {
    this.writes += 1;
    change();
    this.onChange(path);
  }

  private answer<T>(act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.down) {
        reject(new VaultError('unavailable', 'Vault is down', { maybeDone: false }));
        return;
      }
      try {
        resolve(act());
      } catch (error) {
        reject(error instanceof Error ? error : new Error('fake'));
      }
    });
  }
}
