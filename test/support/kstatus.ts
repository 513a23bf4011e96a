import type { Condition, ObjectMeta } from '../../src/api/resources.js';

export type KStatus = 'InProgress' | 'Failed' | 'Current' | 'Terminating';

interface Judged {
  readonly metadata: Pick<ObjectMeta, 'generation' | 'deletionTimestamp'>;
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly Condition[] };
}

/**
 * The verdict of kstatus on a custom resource, by its published rules (sigs.k8s.io/cli-utils 0.37, pkg/kstatus:
 * `checkGenericProperties`, then `checkReadyCondition`): the first that decides.
 */
export function kstatusOf({ metadata, status }: Judged): KStatus {
  if ((metadata.deletionTimestamp ?? '') !== '') return 'Terminating';
  const { generation } = metadata;
  const observed = status?.observedGeneration;
  if (generation !== undefined && observed !== undefined && observed !== generation) return 'InProgress';
  const conditions = status?.conditions ?? [];
  for (const { type, status: value } of conditions) {
    if (type === 'Reconciling' && value === 'True') return 'InProgress';
    if (type === 'Stalled' && value === 'True') return 'Failed';
  }
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? 'Current' : 'InProgress';
}
