export type ParsedPath =
  /** `path` has no leading, trailing or double slash; equal paths name the same secret. */
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly problem: string };

/** The longest key of Vault's integrated storage (`bbolt.MaxKeySize`, checked in `physical/raft`). */
const MAX_LENGTH = 32_768;

/** Mounts that hold Vault's own state instead of K/V secrets; matched on the first segment. */
const RESERVED_MOUNTS: ReadonlySet<string> = new Set(['sys', 'auth', 'identity', 'cubbyhole']);

const FORBIDDEN: readonly { readonly pattern: RegExp; readonly problem: string }[] = [
  { pattern: /^[A-Za-z][A-Za-z0-9+.-]*:\/\//, problem: 'is a URL; use a Vault path such as secret/app' },

  { pattern: /[\u0000-\u001f\u007f-\u009f]/, problem: 'contains a control character' },
  { pattern: /[%?#\\]/, problem: 'contains one of % ? # \\, which are not allowed' },
];

/**
 * Checks and normalises a path of the Vault API. Pure: the webhook calls it at admission and the Vault client
 * right before each request, so that no path of a resource can leave its mount or reach Vault's own endpoints.
 */
export function parseVaultPath(raw: string): ParsedPath {
  if (raw.length > MAX_LENGTH) {
    return { ok: false, problem: `is longer than ${String(MAX_LENGTH)} characters` };
  }
  for (const { pattern, problem } of FORBIDDEN) {
    if (pattern.test(raw)) return { ok: false, problem };
  }
  const segments = raw.split('/').filter((segment) => segment !== '');
  if (segments.length === 0) return { ok: false, problem: 'is empty' };
  if (segments.some((segment) => segment.trim() === '.' || segment.trim() === '..')) {
    return { ok: false, problem: 'contains a . or .. segment' };
  }
  const mount = segments[0] ?? '';
  if (RESERVED_MOUNTS.has(mount.trim().toLowerCase())) {
    return { ok: false, problem: `lies in ${mount.trim().toLowerCase()}/, which contains no K/V secrets` };
  }
  if (segments.length === 1) {
    return { ok: false, problem: 'is only a mount; add the name of a secret, such as secret/app' };
  }
  return { ok: true, path: segments.join('/') };
}
