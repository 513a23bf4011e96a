/**
 * The content of one Vault secret: key to the JSON text of its value. Texts rather than parsed values,
 * because what is kept from Vault is written back as it was read (`12345678901234567890` does not
 * survive `JSON.parse`), and a `Map` rather than an object, because keys such as `__proto__` are keys
 * like any other. JSON strings are normalised (`JSON.stringify` of the string), so that equal values
 * have equal texts whichever escapes the server chose.
 */
export type SecretData = ReadonlyMap<string, string>;

/** The JSON text of a desired value. */
export function textOf(plaintext: string): string {
  return JSON.stringify(plaintext);
}

export function sameData(a: SecretData, b: SecretData): boolean {
  if (a.size !== b.size) return false;
  for (const [key, text] of a) if (b.get(key) !== text) return false;
  return true;
}
