/** What has become of the ciphertexts of a run. */
export interface RotationTally {
  moved: number;
  already: number;
  failed: number;
  /** After an outage KMS is not asked any more. */
  untried: number;
}

/** One line with the counts. */
export function tallyText(
  { moved, already, failed, untried }: RotationTally,
  keyId: string,
  dry: boolean,
): string {
  const verb = dry ? 'would re-encrypt' : 're-encrypted';
  const rest = untried === 0 ? '' : `, not tried ${String(untried)}`;
  return `${verb} ${String(moved)}, already under ${keyId} ${String(already)}, failed ${String(failed)}${rest}`;
}
