import type { ItemCheck } from '../../admission/item-check.js';
import { type Sorted, sortFailures, warnOfLineBreaks } from '../../admission/kms-findings.js';
import { itemsOf, itemsToCheck } from '../../admission/spec-items.js';
import { checkPartialSpec } from '../../api/validation.js';
import { record } from '../files/manifest-resource.js';

const PATCHED = { of: 'patch', by: 'patched resource' };

/** Checks the items of a patch: everything else may come from the resource that it is for. */
export async function reviewPatch(
  object: unknown,
  items: Pick<ItemCheck, 'check'>,
  found: Sorted,
  signal: AbortSignal,
): Promise<void> {
  const { secrets, secretContext } = record(record(object).spec);
  const spec = { secrets, secretContext };
  const shape = checkPartialSpec(spec);
  if (!shape.ok) {
    for (const { field, problem } of shape.problems) {
      found.problems.add('InvalidSpec', `${field} ${problem}`, { field });
    }
    found.problems.addUnnamed(shape.total - shape.problems.length);
  }
  const checked = await items.check(itemsToCheck(itemsOf(spec)), signal);
  sortFailures(checked.failures(), found, PATCHED);
  warnOfLineBreaks(checked.withLineBreak(), found.warnings);
}
