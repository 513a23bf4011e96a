import { inject, injectable } from 'tsyringe';

import type { EngineVersion } from '../../api/resources.js';
import { TOKENS } from '../../tokens.js';
import type { ChangeOptions, KvReading, KvSecret, KvStore, KvVersion } from '../../vault/kv-store.js';
import { DryRunMetadata, type MetadataInVault } from './dry-run-metadata.js';
import type { SecretData } from '../../vault/secret-data.js';
import { VaultError } from '../../vault/vault-error.js';

/** One place in Vault: what it holds, and what it would hold. */
export interface PlaceInVault {
  readonly before: KvReading;
  readonly after: KvReading;
  readonly written: boolean;
  /** Undefined when nobody asked for its metadata. */
  readonly metadata: MetadataInVault | undefined;
}

/** A path that a finalizer would remove: the whole secret, or only its current version. */
export interface RemovedPlace {
  readonly path: string;
  readonly onlyLatest: boolean;
}

/** The creation time of a version that does not exist yet. */
const NOT_YET = 'planned';

/**
 * Vault as it would become: reads are real, once per path; changes are kept in memory and never sent. What is written
 * is read back afterwards, so that the operator's services go on as they would.
 */
@injectable()
export class DryRunKvStore implements KvStore {
  private readonly reads = new Map<string, Promise<KvReading>>();
  private readonly seen = new Map<string, KvReading>();
  private readonly metadata = new DryRunMetadata();
  private planned = new Map<string, KvReading>();

  constructor(@inject(TOKENS.callerKvStore) private readonly vault: KvStore) {}

  async open(path: string, engine: EngineVersion, signal?: AbortSignal): Promise<KvSecret> {
    const real = await this.vault.open(path, engine, signal);
    return {
      engine,
      read: async () =>
        this.metadata.shown(path, this.planned.get(path) ?? (await this.readOnce(path, real, signal))),
      write: async (data, cas, options) => await this.write(path, real, { data, cas }, options),
      remove: (options = {}) => {
        options.guard?.();
        this.planned.set(path, { state: 'absent' });
        return Promise.resolve();
      },
      removeLatest: async (options = {}) => {
        const now = this.planned.get(path) ?? (await this.readOnce(path, real, signal));
        options.guard?.();
        if (now.state === 'live' && now.version !== undefined) {
          this.planned.set(path, { state: 'deleted', version: now.version });
        }
      },
      readMetadata: async () => await this.metadata.read(path, real, signal),
      writeMetadata: async (change, options) => {
        await this.metadata.write(path, real, change, options);
      },
      ...(real.createdTimeOf === undefined ? {} : { createdTimeOf: real.createdTimeOf.bind(real) }),
    };
  }

  async mountIsGone(path: string, signal?: AbortSignal): Promise<boolean> {
    return await this.vault.mountIsGone(path, signal);
  }

  forgetMounts(): void {
    // They are looked up once per run.
  }

  /** Undefined when nothing could be read there. */
  at(path: string): PlaceInVault | undefined {
    const before = this.seen.get(path);
    if (before === undefined) return undefined;
    const after = this.planned.get(path);
    const metadata = this.metadata.at(path);
    return { before, after: after ?? before, written: after !== undefined, metadata };
  }

  /** Runs what must leave no trace, and tells which paths it would have removed. */
  async aside<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly removed: readonly RemovedPlace[] }> {
    const before = this.planned;
    this.planned = new Map(before);
    try {
      const result = await work();
      const removed = [...this.planned].filter(
        ([path, { state }]) => state !== 'live' && before.get(path)?.state !== state,
      );
      return {
        result,
        removed: removed.map(([path, { state }]) => ({ path, onlyLatest: state === 'deleted' })),
      };
    } finally {
      this.planned = before;
    }
  }

  private async readOnce(path: string, real: KvSecret, signal?: AbortSignal): Promise<KvReading> {
    const read = this.reads.get(path) ?? real.read(signal);
    this.reads.set(path, read);
    try {
      const reading = await read;
      this.seen.set(path, reading);
      return reading;
    } catch (error) {
      if (!(error instanceof VaultError) || !error.isDenied) throw error;
      // The operator would write blindly, because of its own token; this one says nothing about that token.
      const message = `your token may not read ${path}, so nothing can be compared: use one with read permission on it`;
      throw new VaultError('forbidden', message, { ...error.facts, path }, undefined, 'soon');
    }
  }

  private async write(
    path: string,
    real: KvSecret,
    { data, cas }: { readonly data: SecretData; readonly cas: number | undefined },
    { guard, signal }: ChangeOptions = {},
  ): Promise<KvVersion | undefined> {
    const now = this.planned.get(path) ?? (await this.readOnce(path, real, signal));
    guard?.();
    if (real.engine === 'v1') {
      this.planned.set(path, { state: 'live', data: new Map(data) });
      return undefined;
    }
    const current = now.state === 'absent' ? 0 : (now.version?.version ?? 0);
    if (cas !== current) throw new VaultError('rejected', 'check-and-set did not match', { path });
    const version = { version: current + 1, createdTime: NOT_YET };
    this.planned.set(path, { state: 'live', data: new Map(data), version });
    return version;
  }
}
