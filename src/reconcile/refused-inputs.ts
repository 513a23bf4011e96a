import { createHash } from 'node:crypto';

import { valueIdentity } from './inputs-hash.js';
import type { ResolvedKey } from './resolved-key.js';

/** Why an input was refused. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** The inputs of one resource that KMS always refuses, by a hash of the input. */
export class RefusedInputs {
  private readonly byDigest = new Map<string, Refusal>();

  get(key: ResolvedKey): Refusal | undefined {
    return this.byDigest.get(digestOf(key));
  }

  add(key: ResolvedKey, refusal: Refusal): void {
    this.byDigest.set(digestOf(key), refusal);
  }

  /** Drops what is remembered about inputs that the resource no longer has. */
  keep(keys: Iterable<ResolvedKey>): void {
    if (this.byDigest.size === 0) return;
    const current = new Set([...keys].map(digestOf));
    for (const digest of this.byDigest.keys()) if (!current.has(digest)) this.byDigest.delete(digest);
  }
}

/** Names an input without holding it. */
export function digestOf(key: ResolvedKey): string {
  return createHash('sha256').update(valueIdentity(key)).digest('base64');
}
