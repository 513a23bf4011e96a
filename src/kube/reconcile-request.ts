import { createHash } from 'node:crypto';

import { RECONCILE_AT_ANNOTATION } from '../api/group.js';
import { printable } from '../api/printable.js';
import type { ObjectMeta } from '../api/resources.js';

/** Longer values are compared and reported by their hash: an annotation may have 256 KiB. */
const MAX_LENGTH = 256;

/**
 * The value of the annotation that asks for a sync, as `status.lastHandledReconcileAt` reports it: unchanged, or
 * `sha256:…` if it is long or contains characters that are not safe to print.
 *
 * @returns undefined without the annotation. The metadata may be malformed.
 */
export function reconcileRequestOf({ annotations }: ObjectMeta): string | undefined {
  const value: unknown = (annotations as Record<string, unknown> | null | undefined)?.[
    RECONCILE_AT_ANNOTATION
  ];
  if (typeof value !== 'string') return undefined;
  if (printable(value, MAX_LENGTH) === value) return value;
  return `sha256:${createHash('sha256').update(value).digest('hex')}`;
}
