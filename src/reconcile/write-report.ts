import { inject, injectable } from 'tsyringe';

import { printable } from '../api/printable.js';
import { TOKENS } from '../tokens.js';
import type { Announcer } from './announcer.js';
import { statusPlace } from './known-state.js';
import { type PathClaims, readClaim } from './path-claims.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest, SyncResult } from './sync-request.js';

/** Records events about what a sync has written. */
@injectable()
export class WriteReport {
  constructor(
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.claims) private readonly claims: PathClaims,
  ) {}

  announce({ secret, place, known }: SyncRequest, result: SyncResult): void {
    const { announcer, memory, claims } = this;
    const { path } = place;
    const name = printable(secret.metadata.name);
    if (result.replacedVersion !== undefined) {
      const message =
        `Replaced version ${String(result.replacedVersion)} at ${path}, which this resource had not written; ` +
        'it stays in the version history';
      this.announcer.once(secret, 'ExistingValueReplaced', message);
    }
    if (result.wrote !== undefined && !known.created) {
      announcer.normal(secret, 'SecretCreated', `Wrote secret ${name} to ${path}`);
    } else if (result.wrote === 'drift') {
      announcer.normal(
        secret,
        'DriftRepaired',
        `Restored ${path}, which another client had changed in Vault`,
      );
    } else if (result.wrote === 'update') {
      announcer.normal(secret, 'SecretUpdated', `Updated secret ${name} at ${path}`);
    }
    if (!result.claims) return;
    const before = (memory.held(secret.metadata.uid)?.place ?? statusPlace(secret))?.path;
    if (before !== undefined && before !== path) {
      const message = `The path changed to ${path}; the value at ${printable(before)} stays in Vault`;
      announcer.normal(secret, 'PathChanged', message);
    }
    claims.reportAbandonedClaim(secret, place, readClaim(secret.status?.claim));
  }
}
