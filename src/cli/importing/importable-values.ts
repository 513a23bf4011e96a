import { printable } from '../../api/printable.js';
import { MAX_PLAINTEXT_BYTES } from '../../kms/key-api.js';
import type { SecretData } from '../../vault/secret-data.js';
import { AuthorError } from '../author-error.js';

/**
 * The values of a secret, if the operator would write exactly these: it writes texts only, of at most
 * {@link MAX_PLAINTEXT_BYTES} bytes of UTF-8.
 *
 * @throws AuthorError that names the other keys, and why each cannot be kept.
 */
export function importableValues(path: string, data: SecretData): Map<string, string> {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [key, raw] of data) {
    const problem = problemOf(raw);
    if (problem === undefined) values.set(key, JSON.parse(raw) as string);
    else problems.push(`key "${printable(key)}" ${problem}`);
  }
  if (problems.length > 0) {
    throw new AuthorError(
      [
        `${path} cannot be imported, because the operator could not keep it as it is:`,
        ...problems,
        'change these values in Vault first, together with those who read them, or move them to another path',
      ].join('\n'),
    );
  }
  return values;
}

function problemOf(raw: string): string | undefined {
  const kind = kindOf(raw);
  if (kind !== 'text') return `is ${kind}, and the operator writes texts only: store it as a text`;
  const text = JSON.parse(raw) as string;
  const bytes = Buffer.from(text);
  try {
    // Half of a surrogate pair has no UTF-8.
    if (bytes.toString('utf8') !== text)
      return 'is not well-formed Unicode, which KMS could not return: encode it';
    if (bytes.length <= MAX_PLAINTEXT_BYTES) return undefined;
    const sizes = `${String(bytes.length)} bytes, and KMS encrypts ${String(MAX_PLAINTEXT_BYTES)} at most`;
    return `has ${sizes}: split it into several keys`;
  } finally {
    bytes.fill(0);
  }
}

/** What a JSON value is, by its first character. */
function kindOf(raw: string): string {
  switch (raw.charAt(0)) {
    case '"':
      return 'text';
    case '{':
      return 'an object';
    case '[':
      return 'a list';
    case 't':
    case 'f':
      return 'a boolean';
    case 'n':
      return 'null';
    default:
      return 'a number';
  }
}
