import { type Kind, PARTIAL_KIND } from '../api/group.js';
import type { KmsError } from '../kms/kms-error.js';
import type { ReviewFindings } from './review-findings.js';
import type { ItemFailure } from './item-check.js';

/** Receives the failures of items. */
export interface Sorted {
  /** Problems that only a change of the resource solves. */
  readonly problems: ReviewFindings;
  readonly warnings: ReviewFindings;
  /** KMS could not answer, which tells nothing about the resource. */
  readonly outages: ReviewFindings;
}

/** How to correct wrong input, by the code of the {@link KmsError}. */
const ADVICE: Readonly<Record<string, string>> = {
  NotBase64: 'set encryptedSecret to the base64-encoded ciphertext, including the padding',
  InvalidLength: 'set encryptedSecret to the complete ciphertext and nothing else',
  InvalidCiphertext: 'encrypt the value again with exactly this encryption context, or correct secretContext',
  ContextTooLarge: 'shorten secretContext; KMS accepts a few kilobytes at most',
  NotUtf8: 'encode the value as text before you encrypt it',
};
const ENCRYPT_AGAIN = 'encrypt the value again with a KMS key of this account and region';

/** Independent of the encryption context. */
const CERTAIN: ReadonlySet<string> = new Set(['NotBase64', 'InvalidLength', 'ContextTooLarge', 'NotUtf8']);

/**
 * The most common mistake with files and `echo`. The value is stored unchanged, because the line break may be
 * intended; nothing else about the value is reported.
 */
export function warnOfLineBreaks(keys: Iterable<string>, warnings: ReviewFindings): void {
  const text =
    'the value ends with a line break, which is stored in Vault, too; if you do not want it, encrypt the output of ' +
    `printf %s 'value' or printf %s "$(cat file)"`;
  for (const key of keys) warnings.add('TrailingLineBreak', text, key);
}

/**
 * Classifies failures by their cause. KMS gives the same answer for a damaged ciphertext and for a wrong context,
 * and the context of a partial's item may come from the including resource. What KMS rejects in a partial is
 * therefore only a warning.
 */
export function sortFailures(
  kind: Kind,
  failures: Iterable<ItemFailure>,
  { problems, warnings, outages }: Sorted,
): void {
  for (const { key, error } of failures) {
    const { code } = error;
    if (!error.isFinal) {
      outages.add(code, outageText(error), key);
    } else if (kind === PARTIAL_KIND && !CERTAIN.has(code)) {
      const text =
        'KMS rejects it with the context that the partial gives; accepted, because the context may come from ' +
        'the including resource';
      warnings.add(code, text, key);
    } else {
      problems.add(code, `${error.message}; ${ADVICE[code] ?? ENCRYPT_AGAIN}`, key);
    }
  }
}

function outageText({ code, isOutage, message }: KmsError): string {
  if (code === 'Abandoned') return 'KMS did not answer in time';
  return isOutage ? message : `${message} (${code})`;
}
