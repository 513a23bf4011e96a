interface Entry {
  readonly atMs: number;
  readonly text: string;
}

/** What happened when, in names and numbers; no values. */
export class ChaosTimeline {
  private readonly entries: Entry[] = [];
  private readonly startedMs = performance.now();

  /** Milliseconds since the start of the run. */
  now(): number {
    return performance.now() - this.startedMs;
  }

  add(text: string, atMs = this.now()): void {
    this.entries.push({ atMs, text });
  }

  all(): string[] {
    return [...this.entries].sort((a, b) => a.atMs - b.atMs).map(lineOf);
  }

  /** Everything in the seconds before a moment and shortly after it, and whatever concerns `about` at any time. */
  around(atMs: number, about: readonly string[]): string[] {
    return this.entries
      .filter(
        (entry) =>
          (entry.atMs > atMs - 8_000 && entry.atMs < atMs + 1_000) ||
          about.some((word) => entry.text.includes(word)),
      )
      .sort((a, b) => a.atMs - b.atMs)
      .slice(-150)
      .map(lineOf);
  }
}

function lineOf({ atMs, text }: Entry): string {
  return `${(atMs / 1000).toFixed(2).padStart(8)}  ${text}`;
}
