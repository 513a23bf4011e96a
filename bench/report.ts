import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

import type { Subject } from './options.js';

type SubjectName = Subject['name'];

/** A figure of a benchmark, with one value for each run. */
interface Figure {
  readonly benchmark: string;
  readonly figure: string;
  readonly unit: string;
  readonly values: Partial<Record<SubjectName, number[]>>;
}

/** Collects figures and shows them as tables, or as JSON for machines. */
export class Report {
  private readonly figures: Figure[] = [];
  private readonly skipped: string[] = [];

  add(subject: SubjectName, benchmark: string, figure: string, value: number, unit: string): void {
    let known = this.figures.find(
      (one) => one.benchmark === benchmark && one.figure === figure && one.unit === unit,
    );
    if (known === undefined) {
      known = { benchmark, figure, unit, values: {} };
      this.figures.push(known);
    }
    (known.values[subject] ??= []).push(value);
  }

  /** Tells that a subject cannot do a benchmark, once. */
  skip(subject: SubjectName, benchmark: string, why: string): void {
    const line = `skipped for ${subject}: ${benchmark}: ${why}`;
    if (!this.skipped.includes(line)) this.skipped.push(line);
  }

  /** Tells that a benchmark failed; the others go on. */
  fail(subject: SubjectName, benchmark: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.skipped.push(`FAILED for ${subject}: ${benchmark}: ${why}`);
  }

  table(markdown: boolean): string {
    const isCompared = this.figures.some(({ values }) => values.other !== undefined);
    const head = [
      'benchmark',
      'figure',
      ...(isCompared ? ['ours', 'other', 'ours/other'] : ['value']),
      'unit',
    ];
    const rows = [
      head,
      ...this.figures.map(({ benchmark, figure, unit, values: { ours, other } }) => [
        benchmark,
        figure,
        shown(ours),
        ...(isCompared ? [shown(other), ratio(ours, other)] : []),
        unit,
      ]),
    ];
    const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
    const isNumber = (column: number): boolean => column > 1 && column < head.length - 1;
    const padded = rows.map((row) =>
      row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber(column) ? cell.padStart(width) : cell.padEnd(width);
      }),
    );
    const rule = widths.map((width, column) =>
      isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
    );
    const lines = markdown
      ? [padded[0] ?? [], rule, ...padded.slice(1)].map((row) => `| ${row.join(' | ')} |`)
      : padded.map((row) => row.join('  ').trimEnd());
    return [...lines, ...(this.skipped.length === 0 ? [] : ['', ...this.skipped])].join('\n');
  }

  write(file: string, about: object): void {
    const machine = {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cores: cpus().length,
      processor: cpus()[0]?.model,
    };
    writeFileSync(
      file,
      `${JSON.stringify({ ...about, ...machine, figures: this.figures, skipped: this.skipped }, null, 2)}\n`,
    );
  }
}

/** @param share 0.5 for the median; values need not be in order. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The median, and the least and the most when there are several. */
function shown(values: readonly number[] | undefined): string {
  if (values === undefined) return '';
  const median = rounded(percentile(values, 0.5));
  if (values.length === 1) return median;
  return `${median} (${rounded(Math.min(...values))}–${rounded(Math.max(...values))})`;
}

function ratio(ours: readonly number[] | undefined, other: readonly number[] | undefined): string {
  if (ours === undefined || other === undefined) return '';
  const value = percentile(ours, 0.5) / percentile(other, 0.5);
  return Number.isFinite(value) ? rounded(value) : '';
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}
