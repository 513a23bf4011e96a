import type { ResourceKind } from './kinds.js';
import type { KubeObject } from './objects.js';
import { applyMergePatch, PatchError } from './patch.js';
import { ApiError, badRequest, unsupportedMediaType } from './status-errors.js';
import { applyStrategicMergePatch } from './strategic-merge.js';

const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';

/** The text of a `Status` for each refusal. */
const REFUSALS: Readonly<Record<PatchError['status'], { reason: string; details?: object }>> = {
  400: { reason: 'BadRequest' },
  500: { reason: '' },
};

/**
 * The object that a patch makes of another one. JSON patches are refused: nothing here sends one.
 *
 * @throws ApiError 415 for a kind of patch that the resource does not take, 400 for one that cannot be
 *   read, 500 for an item without its key.
 */
export function applyPatch(
  target: KubeObject,
  contentType: string,
  body: string,
  kind: ResourceKind,
): unknown {
  const type = (contentType.split(';')[0] ?? '').trim();
  // Strategic merge needs to know the kind's Go type, which custom resources do not have.
  const accepted = [MERGE_PATCH, ...(kind.custom === undefined ? [STRATEGIC_PATCH] : [])];
  if (!accepted.includes(type)) throw unsupportedMediaType(accepted);
  let patch: unknown;
  try {
    patch = JSON.parse(body);
  } catch {
    throw badRequest('error decoding patch: the body is not JSON');
  }
  try {
    if (type === MERGE_PATCH) return applyMergePatch(target, patch);
    return applyStrategicMergePatch(target, patch, kind.kind);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const { reason, details } = REFUSALS[error.status];
    throw new ApiError(error.status, reason, error.message, details);
  }
}
