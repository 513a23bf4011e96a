import type { Condition } from '../api/resources.js';

/** What a condition says. */
export interface Report {
  readonly reason: string;
  readonly message: string;
}

/** The conditions that a resource has now. */
export interface Reported {
  readonly ready: Report & { readonly status: 'True' | 'False' };
  /**
   * The condition of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus) that explains why `ready` is False: only one at a
   * time, and only while it is True.
   */
  readonly progress: (Report & { readonly type: 'Reconciling' | 'Stalled' }) | undefined;
}

/** The types that {@link withConditions} decides on. */
const OURS: readonly string[] = ['Ready', 'Reconciling', 'Stalled'];

/** The conditions with what is reported now; those of other types are kept. */
export function withConditions(
  current: readonly Condition[] | undefined,
  { ready, progress }: Reported,
  { generation, now }: { readonly generation: number | undefined; readonly now: Date },
): Condition[] {
  const before = current ?? [];
  const condition = (type: string, status: Condition['status'], { reason, message }: Report): Condition => {
    const same = before.find((known) => known.type === type && known.status === status);
    return {
      type,
      status,
      reason,
      message,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: same?.lastTransitionTime ?? seconds(now),
    };
  };
  return [
    ...before.filter(({ type }) => !OURS.includes(type)),
    condition('Ready', ready.status, ready),
    ...(progress === undefined ? [] : [condition(progress.type, 'True', progress)]),
  ];
}

/** `metav1.Time` has whole seconds. */
export function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
