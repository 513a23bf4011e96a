import type { VaultAnswer, VaultCall } from './protocol.js';

/** A secrets engine or auth method at a path. */
export interface Mount {
  readonly type: string;
  readonly options: Readonly<Record<string, string>> | null;
  /** Whether a write there updates rather than creates; mounts without the difference say true. */
  exists(path: string): boolean;
  handle(call: VaultCall): VaultAnswer | Promise<VaultAnswer>;
  wipe(): void;
}

/** An engine that stands for all that are not K/V. */
export class OtherEngine implements Mount {
  readonly options = null;

  constructor(readonly type: string) {}

  exists(): boolean {
    return true;
  }

  handle(): VaultAnswer {
    return { status: 404, raw: '{"errors":[]}' };
  }

  wipe(): void {
    // Holds nothing.
  }
}

/** Mounts by path without trailing slash; they never nest. */
export class MountTable<M extends Mount> {
  private readonly mounts = new Map<string, M>();

  add(path: string, mount: M): boolean {
    for (const other of this.mounts.keys()) {
      if (`${path}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${path}/`)) return false;
    }
    this.mounts.set(path, mount);
    return true;
  }

  remove(path: string): void {
    this.mounts.delete(path);
  }

  get(path: string): M | undefined {
    return this.mounts.get(path);
  }

  /** The mount that a path lies in. */
  find(path: string): { readonly at: string; readonly mount: M; readonly rest: string } | undefined {
    for (const [at, mount] of this.mounts) {
      if (path === at || path.startsWith(`${at}/`)) return { at, mount, rest: path.slice(at.length + 1) };
    }
    return undefined;
  }

  entries(): IterableIterator<[string, M]> {
    return this.mounts.entries();
  }
}
