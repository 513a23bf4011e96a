/** Replaces the characters from `start` to `end` of a text. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies splices that do not overlap; of two at one place the first comes first. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  const ordered = splices.map((splice, order) => ({ splice, order }));
  ordered.sort((a, b) => a.splice.start - b.splice.start || a.order - b.order);
  let result = '';
  let from = 0;
  for (const { splice } of ordered) {
    if (splice.start < from) throw new Error('splices overlap');
    result += text.slice(from, splice.start) + splice.text;
    from = splice.end;
  }
  return result + text.slice(from);
}

/** The end of the line of a character, before its line break. */
export function lineEnd(text: string, offset: number): number {
  const at = text.indexOf('\n', offset);
  if (at === -1) return text.length;
  return at > offset && text[at - 1] === '\r' ? at - 1 : at;
}

export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** The column of a character, from 0. */
export function columnOf(text: string, offset: number): number {
  const start = lineStart(text, offset);
  // A byte order mark takes no column.
  return offset - start - (text.charCodeAt(start) === 0xfeff ? 1 : 0);
}

/** The line break that the file uses around a place. */
export function lineBreakNear(text: string, offset: number): string {
  const before = text.lastIndexOf('\n', offset - 1);
  const at = before === -1 ? text.indexOf('\n', offset) : before;
  return at > 0 && text[at - 1] === '\r' ? '\r\n' : '\n';
}
