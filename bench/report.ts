import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** One figure of a benchmark. */
export interface Figure {
  readonly benchmark: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
}

/** Collects figures and shows them as a table, or as JSON for machines. */
export class Report {
  private readonly figures: Figure[] = [];

  add(benchmark: string, figure: string, value: number, unit: string): void {
    this.figures.push({ benchmark, figure, value: Number(value.toPrecision(4)), unit });
  }

  table(): string {
    const rows = [
      ['benchmark', 'figure', 'value', 'unit'],
      ...this.figures.map(({ benchmark, figure, value, unit }) => [benchmark, figure, String(value), unit]),
    ];
    const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    return rows
      .map((row) =>
        row
          .map((cell, column) =>
            column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
          )
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  }

  write(file: string, about: Readonly<Record<string, unknown>>): void {
    const machine = {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cores: cpus().length,
    };
    writeFileSync(file, `${JSON.stringify({ ...about, ...machine, figures: this.figures }, null, 2)}\n`);
  }
}
