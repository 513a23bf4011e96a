import type { Stored } from './desired.js';

export interface Span {
  readonly fromMs: number;
  /** Undefined while it lasts. */
  toMs?: number;
}

export interface MountReplacement extends Span {
  readonly mount: string;
}

/** One change of a secret in Vault, with the data after it. */
export interface VaultChange {
  readonly atMs: number;
  /** The process that asked for it; undefined: somebody's hand. */
  readonly by: string | undefined;
  /** As resources name it: `kv/app`, `secret/data/app`. */
  readonly path: string;
  readonly engine: 'v1' | 'v2';
  /** `remove`: with everything of it; `other`: what no operator should do, such as deleting one version. */
  readonly operation: 'write' | 'remove' | 'other';
  /** Undefined: nothing, or a deleted version. */
  readonly data: Stored | undefined;
  /** 0 on v1 and where there is none. */
  readonly version: number;
  /** Check-and-set of a write on v2. */
  readonly cas?: number;
}

const NOTHING: VaultChange = {
  atMs: 0,
  by: undefined,
  path: '',
  engine: 'v1',
  operation: 'remove',
  data: undefined,
  version: 0,
};

/** What stood at every path through time. */
export class VaultHistory {
  private readonly changes = new Map<string, VaultChange[]>();

  record(change: VaultChange): void {
    const changes = this.changes.get(change.path) ?? [];
    this.changes.set(change.path, changes);
    changes.push(change);
  }

  get paths(): string[] {
    return [...this.changes.keys()];
  }

  of(path: string): readonly VaultChange[] {
    return this.changes.get(path) ?? [];
  }

  last(path: string): VaultChange {
    return this.of(path).at(-1) ?? NOTHING;
  }

  /** Everything that stood there at some moment of a span, the latest first. */
  within(path: string, fromMs: number, toMs: number): Stored[] {
    const states = [NOTHING, ...this.of(path)];
    return states
      .filter(({ atMs }, index) => atMs <= toMs && (states[index + 1]?.atMs ?? Infinity) >= fromMs)
      .map(({ data }) => data ?? new Map<string, string>())
      .reverse();
  }
}
