import type { EngineVersion, KMSVaultSecret } from '../../api/resources.js';
import { isReady, type ReadyReason } from '../../api/reasons.js';
import type { KeyChanges } from './key-changes.js';
import type { MetadataChanges } from './metadata-changes.js';

/** Where a resource is declared; undefined: in the cluster only. */
export type ForecastSource = { readonly file: string; readonly line: number } | undefined;

/** What the `Ready` condition would report. */
export interface PlannedFinding {
  readonly reason: ReadyReason;
  readonly message: string;
}

/** What deleting the resource would do to its value. */
export interface OnDeletion {
  readonly value: 'deleted' | 'kept' | 'waits' | 'unknown';
  /** What is deleted, or why the value stays or the deletion waits. */
  readonly detail: string;
}

/**
 * `create`, `update`, `delete`: what is written to Vault; `none`: Vault is as it should be, as far as keys can be
 * decrypted; `blocked`: nothing is written until somebody acts; `suspended`: nothing is read or written because of
 * `spec.suspend`; `error`: it cannot be told.
 */
export type PlannedAction = 'create' | 'update' | 'delete' | 'none' | 'blocked' | 'suspended' | 'error';

/** What the operator would do for one resource; holds no value. */
export interface Forecast {
  readonly secret: KMSVaultSecret;
  readonly action: PlannedAction;
  /** Normalised; undefined when the spec or its path is not valid. */
  readonly path: string | undefined;
  readonly engine: EngineVersion | undefined;
  /** Of v2; 0: there is none. */
  readonly versions: { readonly before: number; readonly after: number } | undefined;
  readonly keys: KeyChanges;
  /** Undefined when the metadata stay as they are. */
  readonly metadata: MetadataChanges | undefined;
  readonly findings: readonly PlannedFinding[];
  /** Of a path that several resources name. */
  readonly conflict: { readonly owner: string; readonly others: readonly string[] } | undefined;
  readonly notes: readonly string[];
  readonly onDeletion: OnDeletion;
}

/** The resource would not become ready. */
export function hasErrors({ action, findings, keys }: Forecast): boolean {
  return (
    action === 'error' || keys.undecryptable.length > 0 || findings.some(({ reason }) => !isReady(reason))
  );
}

export function hasChanges({ action }: Pick<Forecast, 'action'>): boolean {
  return action === 'create' || action === 'update' || action === 'delete';
}

/** Every key that is new, different or gone. */
export function changedKeys({ keys }: Forecast): number {
  return keys.added.length + keys.changed.length + keys.removed.length;
}
