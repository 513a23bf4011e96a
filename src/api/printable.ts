/** Control characters, and marks that reorder or hide text. */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

/**
 * A name that is safe in a message: control characters are escaped as `\u{…}`, and it is cut to `limit` characters.
 * Names of keys and paths come from anybody who can create a resource.
 */
export function printable(name: string, limit = 253): string {
  // A character has at most two UTF-16 units, so the rest need not be scanned.
  const escaped = name
    .slice(0, 2 * (limit + 1))
    .replace(UNPRINTABLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
  const chars = Array.from(escaped);
  return chars.length > limit ? `${chars.slice(0, limit).join('')}…` : escaped;
}

/**
 * `a, b, c and 4 more`.
 *
 * @param total the number of names when `names` does not hold all of them.
 */
export function listNames(names: readonly string[], most = 5, total = names.length): string {
  const shown = names.slice(0, most).map((name) => printable(name));
  const rest = total - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${String(rest)} more` : shown.join(', ');
}
