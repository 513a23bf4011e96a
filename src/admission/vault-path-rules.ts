import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { parseVaultPath } from '../api/vault-path.js';
import { TOKENS } from '../tokens.js';
import { type FindingSink, quoted } from './review-findings.js';

const FIELD = { field: 'spec.path' };

/** Checks `spec.path` by its name alone: the webhook does not know the mounts of Vault. */
@injectable()
export class VaultPathRules {
  constructor(@inject(TOKENS.allowedPaths) private readonly allowed: AllowedPaths) {}

  /** @param engineVersion as in the spec; only `v2` has rules of its own. */
  check(path: string, engineVersion: unknown, namespace: string, problems: FindingSink): void {
    const parsed = parseVaultPath(path);
    if (!parsed.ok) {
      problems.add('InvalidPath', `spec.path ${parsed.problem}`, FIELD);
      return;
    }
    if (!this.allowed.allows(parsed.path, namespace)) {
      const text =
        `spec.path ${quoted(parsed.path)} is not allowed by --allowed-vault-paths in this namespace; ` +
        'choose an allowed path, or ask an administrator of the operator';
      problems.add('PathNotAllowed', text, FIELD);
    }
    if (engineVersion === 'v2' && !hasDataSegment(parsed.path)) {
      const [mount = '', ...rest] = parsed.path.split('/');
      const name = rest.filter((segment) => segment !== 'data').join('/');
      const better = `${mount}/data/${name === '' ? 'app' : name}`;
      const text =
        `spec.path ${quoted(parsed.path)} lacks the data/ segment that K/V v2 requires after the mount; ` +
        `use a path such as ${quoted(better)}`;
      problems.add('InvalidPath', text, FIELD);
    }
  }
}

/** The mount has at least one segment, and the name of the secret follows `data`. */
function hasDataSegment(path: string): boolean {
  const segments = path.split('/');
  const index = segments.indexOf('data', 1);
  return index !== -1 && index < segments.length - 1;
}
