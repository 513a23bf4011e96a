/** A JSON number by its text: Vault decodes with `json.Number` and gives every digit back. */
export class RawNumber {
  constructor(readonly text: string) {}
}

/** JSON without loss: numbers by text, objects as maps (so `__proto__` is a key like any other). */
export type RawJson = null | boolean | string | RawNumber | readonly RawJson[] | ReadonlyMap<string, RawJson>;

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([{}[\],:])|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(true|false|null))/y;

/**
 * Parses JSON. Of equal keys the last wins, lone surrogates become U+FFFD, as in Go.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): RawJson {
  // JSON.parse checks the grammar, so the tokenizer below need not.
  JSON.parse(text);
  TOKEN.lastIndex = 0;
  return readValue(text);
}

/** As Go's `encoding/json` writes: keys sorted by bytes, `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function encodeJson(value: RawJson): string {
  if (value instanceof RawNumber) return value.text;
  if (value instanceof Map) {
    const members = [...(value as ReadonlyMap<string, RawJson>)].sort(([a], [b]) => byBytes(a, b));
    return `{${members.map(([key, item]) => `${encodeString(key)}:${encodeJson(item)}`).join(',')}}`;
  }
  if (Array.isArray(value)) return `[${(value as readonly RawJson[]).map(encodeJson).join(',')}]`;
  return typeof value === 'string' ? encodeString(value) : JSON.stringify(value);
}

/** The members of an object, each as the text that Go would write for it. */
export function objectMembers(text: string): Map<string, string> {
  const value = parseJson(text);
  if (!(value instanceof Map)) throw new SyntaxError('not an object');
  return new Map([...(value as ReadonlyMap<string, RawJson>)].map(([key, item]) => [key, encodeJson(item)]));
}

/** An object of members that are JSON texts already. */
export function objectText(members: ReadonlyMap<string, string>): string {
  const sorted = [...members].sort(([a], [b]) => byBytes(a, b));
  return `{${sorted.map(([key, raw]) => `${encodeString(key)}:${raw}`).join(',')}}`;
}

/** Any plain value as Go would write it, keys sorted. */
export function goJson(value: unknown): string {
  return encodeJson(parseJson(JSON.stringify(value)));
}

/** As Go writes a struct: members in the order given. */
export function goStruct(value: object): string {
  const members = Object.entries(value).map(([key, item]) => `${encodeString(key)}:${goJson(item)}`);
  return `{${members.join(',')}}`;
}

/** How many strings a value holds, keys counted too; OpenBao limits them. */
export function countStrings(value: RawJson): number {
  if (typeof value === 'string') return 1;
  if (value instanceof Map) {
    const items = [...(value as ReadonlyMap<string, RawJson>).values()];
    return items.reduce<number>((sum, item) => sum + 1 + countStrings(item), 0);
  }
  if (!Array.isArray(value)) return 0;
  return (value as readonly RawJson[]).reduce<number>((sum, item) => sum + countStrings(item), 0);
}

function readValue(text: string): RawJson {
  const token = next(text);
  if (token === '{') return readObject(text);
  if (token === '[') return readArray(text);
  if (token.startsWith('"')) return wellFormed(JSON.parse(token) as string);
  if (token === 'true' || token === 'false') return token === 'true';
  return token === 'null' ? null : new RawNumber(token);
}

function readObject(text: string): RawJson {
  const members = new Map<string, RawJson>();
  let token = next(text);
  while (token !== '}') {
    if (token === ',') token = next(text);
    const key = wellFormed(JSON.parse(token) as string);
    next(text);
    members.set(key, readValue(text));
    token = next(text);
  }
  return members;
}

function readArray(text: string): RawJson {
  const items: RawJson[] = [];
  for (;;) {
    const before = TOKEN.lastIndex;
    const token = next(text);
    if (token === ']') return items;
    if (token !== ',') TOKEN.lastIndex = before;
    items.push(readValue(text));
  }
}

function next(text: string): string {
  const match = TOKEN.exec(text);
  if (match === null) throw new SyntaxError('unexpected end of JSON');
  return match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
}

function encodeString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Lone surrogates become U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
