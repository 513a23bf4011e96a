import { vaultSeconds } from '../api/vault-duration.js';
import { isRecord } from './admission-review.js';
import type { FindingSink } from './review-findings.js';

const FIELD = 'spec.kvSettings.metadata';
/** Set by operators with `--provenance`. */
const PROVENANCE_KEYS: readonly string[] = ['managed-by', 'resource', 'generation'];

/** Warnings about the metadata and the deletion in `spec.kvSettings`. */
export function warnOfMetadata(
  { engineVersion, casIndex, metadata, deletion }: Readonly<Record<string, unknown>>,
  warnings: FindingSink,
): void {
  if (engineVersion === 'v1') {
    if (deletion === 'latest') {
      const text =
        'spec.kvSettings.deletion: latest has no effect with engineVersion v1, which has no versions: the finalizer ' +
        'deletes the value';
      warnings.add('DeletionIgnored', text, { field: 'spec.kvSettings.deletion' });
    }
    if (isRecord(metadata)) {
      warnings.add('MetadataIgnored', `${FIELD} is ignored with engineVersion v1; remove it`, {
        field: FIELD,
      });
    }
    return;
  }
  if (!isRecord(metadata)) return;
  const { deleteVersionAfter, customMetadata } = metadata;
  if (typeof deleteVersionAfter === 'string' && (vaultSeconds(deleteVersionAfter) ?? 0) > 0) {
    const then =
      casIndex === undefined
        ? 'the operator then writes a new version at the next sync'
        : 'with casIndex it is not written again until casIndex is raised';
    const text = `Vault deletes the current version after ${FIELD}.deleteVersionAfter; ${then}`;
    warnings.add('VersionsExpire', text, { field: `${FIELD}.deleteVersionAfter` });
  }
  if (!isRecord(customMetadata)) return;
  const replaced = PROVENANCE_KEYS.filter((key) => Object.hasOwn(customMetadata, key));
  if (replaced.length === 0) return;
  const text = `an operator with --provenance sets ${replaced.join(', ')} of ${FIELD}.customMetadata itself`;
  warnings.add('ProvenanceKeys', text, { field: `${FIELD}.customMetadata` });
}
