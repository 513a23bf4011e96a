import { isReady } from '../api/reasons.js';
import type { KMSVaultSecret, KMSVaultSecretStatus } from '../api/resources.js';
import type { Finding } from '../queue/outcome.js';
import { type Reported, seconds, withConditions } from './conditions.js';
import { joinMessages, mainReason, progressOf } from './ready-findings.js';
import type { SyncRequest, SyncResult } from './sync-request.js';

const FAILED_KEYS_SHOWN = 50;

/** The status after a reconcile that reached Vault. */
export function syncedStatus(
  current: KMSVaultSecretStatus | undefined,
  request: SyncRequest,
  result: SyncResult,
  now: Date,
  /** The time of the last write, if no status reports it yet. */
  wroteAt: Date | undefined,
): KMSVaultSecretStatus {
  const { secret, place, inputsHash, aggregate } = request;
  const base = statusOf(current, secret, result.findings, now, syncedMessage(request));
  const failures = {
    keys: keysColumn(result.state === 'blocked' ? 0 : aggregate.keys.size - result.failures.length, request),
    ...failedKeys(result),
  };
  const written = wroteAt === undefined ? {} : { lastWriteTime: seconds(wroteAt) };
  if (result.state === 'blocked' || !result.claims) {
    const { failedKeys: _, failedKeysCut: __, inputsHash: before, ...rest } = base;
    // The failed keys belong to these inputs, so an older hash must not stay beside them.
    return { ...rest, ...failures, ...(before === inputsHash ? { inputsHash: before } : {}) };
  }
  const { failedKeys: _, failedKeysCut: __, vaultVersion: ___, vaultVersionCreated: ____, ...kept } = base;
  // `created` and `path` replace the claim from now on.
  const { claim: _____, ...rest } = kept;
  return {
    ...rest,
    ...failures,
    created: true,
    path: place.path,
    inputsHash,
    ...(result.version === undefined
      ? {}
      : { vaultVersion: result.version.version, vaultVersionCreated: result.version.createdTime }),
    ...written,
  };
}

/** The status after a reconcile that was refused before Vault was called, or that failed there. */
export function statusOf(
  current: KMSVaultSecretStatus | undefined,
  secret: KMSVaultSecret,
  findings: readonly Finding[],
  now: Date,
  syncedText = 'everything is in Vault',
): KMSVaultSecretStatus {
  const reason = mainReason(findings);
  const { generation } = secret.metadata;
  const progress = progressOf(findings);
  const reported: Reported = {
    ready: {
      status: isReady(reason) ? 'True' : 'False',
      reason,
      message: findings.length === 0 ? syncedText : joinMessages(findings),
    },
    progress:
      progress === undefined
        ? undefined
        : {
            type: progress.type,
            reason: mainReason(progress.findings),
            message: joinMessages(progress.findings),
          },
  };
  return {
    ...current,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: withConditions(current?.conditions, reported, { generation, now }),
  };
}

/** Synced of all. */
export function keysColumn(synced: number, { aggregate }: SyncRequest): string {
  return `${String(synced)}/${String(aggregate.keys.size)}`;
}

function syncedMessage({ aggregate }: SyncRequest): string {
  const count = aggregate.keys.size;
  return `${String(count)} ${count === 1 ? 'key is' : 'keys are'} in Vault`;
}

function failedKeys({ failures }: SyncResult): Pick<KMSVaultSecretStatus, 'failedKeys' | 'failedKeysCut'> {
  if (failures.length === 0) return {};
  return {
    failedKeys: failures.slice(0, FAILED_KEYS_SHOWN).map(({ key, code }) => ({ key, reason: code })),
    ...(failures.length > FAILED_KEYS_SHOWN ? { failedKeysCut: true } : {}),
  };
}
