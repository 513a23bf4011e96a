import type { KMSVaultSecret } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { KnownState } from './secret-sync.js';

const NOTHING: KnownState = { created: false, failedKeys: [], failedKeysCut: false };

/**
 * The path that the status says this resource wrote or found equal. A status of the Go operator says
 * `created` without a path and means `spec.path`.
 *
 * @returns the path as it stands in the resource, not yet judged; undefined when nothing was written.
 */
export function createdPath({ status, spec }: KMSVaultSecret): string | undefined {
  if (status?.created !== true) return undefined;
  return status.path ?? (typeof spec?.path === 'string' ? spec.path : undefined);
}

/** What the status says of `path`; nothing when it speaks of another one. */
export function knownState(secret: KMSVaultSecret, path: string): KnownState {
  const written = createdPath(secret);
  const parsed = written === undefined ? undefined : parseVaultPath(written);
  if (parsed?.ok !== true || parsed.path !== path) return NOTHING;
  const { inputsHash, vaultVersion, vaultVersionCreated, failedKeys, failedKeysCut } = secret.status ?? {};
  return {
    created: true,
    failedKeys: (failedKeys ?? []).map((failed) => failed.key),
    failedKeysCut: failedKeysCut === true,
    ...(inputsHash === undefined ? {} : { inputsHash }),
    ...(vaultVersion === undefined || vaultVersionCreated === undefined
      ? {}
      : { version: { version: vaultVersion, createdTime: vaultVersionCreated } }),
  };
}
