import type { SecretData } from './secret-data.js';

/**
 * The members of a JSON object as name to raw text of the value. `JSON.parse` would lose digits of large
 * numbers and the difference between `1.0` and `1`; what another writer stored is kept as it is.
 *
 * @throws SyntaxError when the text is not one JSON object; nothing of the text is part of it, unlike
 *   the errors of `JSON.parse`.
 */
export function objectMembers(text: string): Map<string, string> {
  if (!isJsonObject(text)) throw new SyntaxError('not a JSON object');
  // The text is valid JSON from here on, so the scanner only looks for ends.
  const members = new Map<string, string>();
  let at = skipBlanks(text, text.indexOf('{') + 1);
  while (text[at] !== '}') {
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const valueStart = skipBlanks(text, skipBlanks(text, nameEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    members.set(name, text.slice(valueStart, valueEnd));
    at = skipBlanks(text, valueEnd);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
  return members;
}

export function isJsonObject(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

/** Reads the content of a secret; strings are normalised, everything else stays as it is written. */
export function parseSecretData(text: string): SecretData {
  const data = new Map<string, string>();
  for (const [key, raw] of objectMembers(text)) {
    data.set(key, raw.startsWith('"') ? JSON.stringify(JSON.parse(raw)) : raw);
  }
  return data;
}

/** The JSON object of a secret's content. */
export function serializeSecretData(data: SecretData): string {
  return `{${[...data].map(([key, raw]) => `${JSON.stringify(key)}:${raw}`).join(',')}}`;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

/** @param from at the opening quote. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfValue(text: string, from: number): number {
  const first = text[from];
  if (first === '"') return endOfString(text, from);
  if (first === '{' || first === '[') return endOfNested(text, from);
  let at = from;
  while (at < text.length && !',}] \n\r\t'.includes(text[at] ?? '')) at += 1;
  return at;
}

function endOfNested(text: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const char = text[at];
    if (char === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (char === '{' || char === '[') depth += 1;
    if (char === '}' || char === ']') depth -= 1;
    at += 1;
  } while (depth > 0);
  return at;
}
