import { inject, injectable } from 'tsyringe';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Finding } from '../queue/outcome.js';
import { TOKENS } from '../tokens.js';
import type { KvSecret, KvVersion } from '../vault/kv-store.js';
import type { SecretData } from '../vault/secret-data.js';
import { VaultError } from '../vault/vault-error.js';
import { findingsOf } from './ready-findings.js';
import type { KeyDecryption } from './key-decryption.js';
import { isOurs, lastVersion } from './known-state.js';
import { blocked } from './kv-writer.js';
import type { MetadataStep } from './metadata-sync.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest, SyncResult } from './sync-request.js';
import { isComplete, isTrulyEmpty } from './target-data.js';
import type { UnseenOwners } from './unseen-owners.js';

const READ_NEEDED: Finding = {
  reason: 'VaultForbidden',
  message:
    'nothing was written: the token has no read permission on the path, so the operator cannot keep the values of ' +
    'keys that it cannot resolve; grant read on the path',
};

/**
 * Syncs a path that the token may write but not read. Nothing can be compared or kept, so only a complete secret
 * is written: on v1 once per change and once per period, on v2 once per change, with check-and-set against the last
 * known version; on both also when somebody asks for a sync, unless `casIndex` pins the version.
 */
@injectable()
export class BlindSync {
  constructor(
    @inject(TOKENS.decryption) private readonly decryption: KeyDecryption,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.unseenOwners) private readonly unseenOwners: UnseenOwners,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'vaultWrites'>,
  ) {}

  async sync(
    request: SyncRequest,
    kv: KvSecret,
    metadata: MetadataStep,
    signal?: AbortSignal,
  ): Promise<SyncResult> {
    const { aggregate, inputsHash, secret, place } = request;
    const { uid } = secret.metadata;
    const suspicion = this.memory.suspicionOf(uid, place);
    if (!this.isDue(request, kv)) {
      const version = lastVersion(request, this.memory);
      return {
        state: 'synced',
        claims: true,
        findings: findingsOf(aggregate, []),
        failures: [],
        ...(version === undefined ? {} : { version }),
      };
    }
    const unseenOwner = this.unseenOwners.finding(request, 'unknown');
    if (unseenOwner !== undefined) return blocked([unseenOwner], []);
    const { values, failures } = await this.decryption.decrypt(
      { uid, priority: request.priority, assertWanted: request.guard.assert, catchUp: request.catchUp },
      [...aggregate.keys.values()],
      signal,
    );
    const findings = findingsOf(aggregate, failures);
    if (!isComplete(aggregate, failures)) {
      return blocked([READ_NEEDED, ...findings], failures);
    }
    const changed = this.lastHash(request) !== inputsHash;
    const version = await this.write(request, kv, { target: values, metadata }, signal);
    this.memory.clearSuspicion(uid, place, suspicion);
    this.memory.remember(uid, place, {
      inputsHash,
      dataMac: undefined,
      failedKeys: [],
      ...(version === undefined ? {} : { version }),
    });
    return {
      state: 'synced',
      claims: true,
      findings,
      failures,
      ...(version === undefined ? {} : { version }),
      ...(changed ? { wrote: 'update' } : {}),
    };
  }

  private isDue(request: SyncRequest, kv: KvSecret): boolean {
    if (this.lastHash(request) !== request.inputsHash) return true;
    if (kv.engine === 'v1') return request.asked.size > 0 || request.priority === 'resync';
    // The first write has used up the version that `casIndex` pins, so Vault would refuse another one.
    return request.asked.size > 0 && request.secret.spec.kvSettings.casIndex === undefined;
  }

  /** On v1 a restart counts as a change: the value in Vault is not known. */
  private lastHash({ secret, place, known }: SyncRequest): string | undefined {
    const { uid } = secret.metadata;
    if (this.memory.suspicionOf(uid, place) !== undefined) return undefined;
    const remembered = this.memory.fingerprint(uid, place)?.inputsHash;
    return secret.spec.kvSettings.engineVersion === 'v1' ? remembered : (remembered ?? known.inputsHash);
  }

  private async write(
    request: SyncRequest,
    kv: KvSecret,
    { target, metadata }: { readonly target: SecretData; readonly metadata: MetadataStep },
    signal?: AbortSignal,
  ): Promise<KvVersion | undefined> {
    const { aggregate, guard } = request;
    const { path } = request.place;
    guard.assert();
    if (kv.engine === 'v1' && isTrulyEmpty(aggregate)) {
      if (isOurs(request, this.memory)) await kv.remove({ guard: guard.send, signal });
      return undefined;
    }
    await request.claim('unknown');
    await metadata.prepare('unknown', signal);
    const cas = request.secret.spec.kvSettings.casIndex ?? lastVersion(request, this.memory)?.version ?? 0;
    try {
      const version = await kv.write(target, kv.engine === 'v2' ? cas : undefined, {
        guard: guard.send,
        signal,
      });
      this.metrics.vaultWrites.inc({ engine: kv.engine });
      return version;
    } catch (error) {
      if (!(error instanceof VaultError) || error.failure !== 'rejected') throw error;
      throw new VaultError(
        'forbidden',
        `nothing was overwritten: Vault rejected a write with check-and-set ${String(cas)}, and the token has no ` +
          'permission to read the current version; grant read on the path',
        { path },
      );
    }
  }
}
