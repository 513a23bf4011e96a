import type { KmsError } from '../kms/kms-error.js';
import type { FindingSink } from './review-findings.js';
import type { ItemFailure } from './item-check.js';

/** Receives the failures of items. */
export interface Sorted {
  /** Problems that only a change of the resource solves. */
  readonly problems: FindingSink;
  readonly warnings: FindingSink;
  /** KMS could not answer, which tells nothing about the resource. */
  readonly outages: FindingSink;
}

/** How to correct wrong input, by the code of the {@link KmsError}. */
const ADVICE: Readonly<Record<string, string>> = {
  NotBase64: 'set encryptedSecret to the base64-encoded ciphertext, including the padding',
  InvalidLength: 'set encryptedSecret to the complete ciphertext and nothing else',
  InvalidCiphertext: 'encrypt the value again with exactly this encryption context, or correct secretContext',
  ContextTooLarge: 'shorten secretContext; KMS accepts a few kilobytes at most',
  NotUtf8: 'encode the value as text before you encrypt it',
};
const FIELD = 'encryptedSecret';
const ENCRYPT_AGAIN = 'encrypt the value again with a KMS key of this account and region';

/** Independent of the encryption context. */
const CERTAIN: ReadonlySet<string> = new Set(['NotBase64', 'InvalidLength', 'ContextTooLarge', 'NotUtf8']);

/**
 * The most common mistake with files and `echo`. The value is stored unchanged, because the line break may be
 * intended; nothing else about the value is reported.
 */
export function warnOfLineBreaks(keys: Iterable<string>, warnings: FindingSink): void {
  const text =
    'the value ends with a line break, which is stored in Vault, too; if you do not want it, encrypt the output of ' +
    `printf %s 'value' or printf %s "$(cat file)"`;
  for (const key of keys) warnings.add('TrailingLineBreak', text, { key, field: FIELD });
}

/**
 * Classifies failures by their cause. KMS gives the same answer for a damaged ciphertext and for a wrong context. Where
 * the context may come from another resource, what KMS rejects is therefore only a warning.
 *
 * @param giver whose context an item may get in addition to the one that was tried, such as `including resource`.
 */
export function sortFailures(
  failures: Iterable<ItemFailure>,
  { problems, warnings, outages }: Sorted,
  giver?: { readonly of: string; readonly by: string },
): void {
  for (const { key, error } of failures) {
    const { code } = error;
    const place = { key, field: FIELD };
    if (!error.isFinal) {
      outages.add(code, outageText(error), place);
    } else if (giver !== undefined && !CERTAIN.has(code)) {
      const text =
        `KMS rejects it with the context that the ${giver.of} gives; accepted, because the context may come from the ` +
        giver.by;
      warnings.add(code, text, place);
    } else {
      problems.add(code, `${error.message}; ${ADVICE[code] ?? ENCRYPT_AGAIN}`, place);
    }
  }
}

function outageText({ code, isOutage, message }: KmsError): string {
  if (code === 'Abandoned') return 'KMS did not answer in time';
  return isOutage ? message : `${message} (${code})`;
}
