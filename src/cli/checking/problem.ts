/** Something that is wrong in a file, or that is probably a mistake. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly severity: 'error' | 'warning';
  /** Short and stable, such as `InvalidPath`. */
  readonly code: string;
  /** What is wrong and what to do; never a value. */
  readonly message: string;
  /** `KMSVaultSecret team/web`; absent for a file that cannot be read. */
  readonly resource?: string;
  /** Key of the item. */
  readonly key?: string;
}

/** The result of a check. */
export interface CheckReport {
  readonly files: number;
  readonly resources: number;
  /** By file and place. */
  readonly problems: readonly Problem[];
  /** Ciphertexts that KMS could not be asked about, and why. */
  readonly unchecked?: { readonly ciphertexts: number; readonly reason: string };
}

export function countOf({ problems }: CheckReport, severity: Problem['severity']): number {
  return problems.filter((problem) => problem.severity === severity).length;
}
