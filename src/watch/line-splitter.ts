/** A line above the limit; its bytes are discarded up to the next line feed. */
export const OVERLONG = Symbol('overlong line');

/**
 * Cuts a stream of bytes into lines, whatever chunks it arrives in; characters that span chunks stay
 * whole. Empty lines are left out. Memory is bounded by `maxLineBytes`.
 */
export class LineSplitter {
  private readonly parts: Buffer[] = [];
  private size = 0;

  constructor(private readonly maxLineBytes: number) {}

  /** @returns the lines that this chunk completes. */
  push(chunk: Buffer): (string | typeof OVERLONG)[] {
    const lines: (string | typeof OVERLONG)[] = [];
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
      this.keep(chunk.subarray(from, end));
      from = end + 1;
      const line = this.take();
      if (line === OVERLONG || line.trim() !== '') lines.push(line);
    }
    this.keep(chunk.subarray(from));
    return lines;
  }

  private keep(part: Buffer): void {
    this.size += part.length;
    if (this.size > this.maxLineBytes) this.parts.length = 0;
    else if (part.length > 0) this.parts.push(part);
  }

  private take(): string | typeof OVERLONG {
    const line = this.size > this.maxLineBytes ? OVERLONG : Buffer.concat(this.parts).toString('utf8');
    this.parts.length = 0;
    this.size = 0;
    return line;
  }
}
