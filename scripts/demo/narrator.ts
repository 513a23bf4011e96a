/** Prints what happens, for readers who are new to the operator. */
export class Narrator {
  private step = 0;
  readonly checked: string[] = [];

  title(text: string): void {
    print(`\n${text}\n${'='.repeat(text.length)}`);
  }

  begin(text: string): void {
    this.step += 1;
    print(`\n${String(this.step)}. ${text}`);
  }

  say(text: string): void {
    for (const line of text.split('\n')) print(`   ${line}`);
  }

  /** A check that passed. */
  check(text: string): void {
    this.checked.push(text);
    print(`   ✓ ${text}`);
  }

  /** Rows with a header, in aligned columns. */
  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? '').length)),
    );
    for (const row of rows) {
      print(
        `   ${row
          .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
          .join('')
          .trimEnd()}`,
      );
    }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
