import { CANARY } from './sealed-values.js';

/** What a text of base64 contains when the bytes behind it contain the canary, at each of the three offsets. */
const ENCODED = [0, 1, 2].map((offset) => {
  const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(CANARY)]).toString('base64');
  // The first and the last characters depend on the neighbours.
  return text.slice(offset === 0 ? 0 : 4, -4);
});

/** Looks for values, tokens and passwords where none may be. */
export class LeakScanner {
  private readonly credentials = new Set<string>();

  /** A token, a password, a key. */
  guard(credential: string): void {
    if (credential.length >= 8) this.credentials.add(credential);
  }

  /** What kind of secret a text contains; undefined: none. The secret is not in the answer. */
  find(text: string): string | undefined {
    if (text.includes(CANARY)) return 'a value';
    if (ENCODED.some((part) => text.includes(part))) return 'a value in base64';
    for (const credential of this.credentials) if (text.includes(credential)) return 'a credential';
    return undefined;
  }
}
