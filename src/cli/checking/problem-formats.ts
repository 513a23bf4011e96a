import { printable } from '../../api/printable.js';
import { type CheckReport, countOf, type Problem } from './problem.js';

export const REPORT_FORMATS = ['text', 'json', 'github'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** The lines of a report for stdout. */
export function reportLines(report: CheckReport, format: ReportFormat): readonly string[] {
  switch (format) {
    case 'text':
      return report.problems.map(textLine);
    case 'json':
      return [JSON.stringify(jsonOf(report), undefined, 2)];
    case 'github':
      return [...report.problems.map(annotation), ...uncheckedAnnotation(report)];
  }
}

function textLine({ file, line, column, severity, message }: Problem): string {
  const place = `${printable(file, Infinity)}:${String(line)}:${String(column)}`;
  return `${place}: ${severity}: ${printable(message, Infinity)}`;
}

function jsonOf(report: CheckReport): unknown {
  const { files, resources, problems, unchecked } = report;
  return {
    files,
    resources,
    errors: countOf(report, 'error'),
    warnings: countOf(report, 'warning'),
    problems,
    ...(unchecked === undefined ? {} : { unchecked }),
  };
}

/** A workflow command (GitHub documentation, Workflow commands for GitHub Actions). */
function annotation({ file, line, column, severity, message }: Problem): string {
  const place = `file=${property(file)},line=${String(line)},col=${String(column)}`;
  return `::${severity} ${place}::${data(message)}`;
}

function uncheckedAnnotation({ unchecked }: CheckReport): string[] {
  return unchecked === undefined ? [] : [`::error::${data(uncheckedText(unchecked))}`];
}

export function uncheckedText({ ciphertexts, reason }: NonNullable<CheckReport['unchecked']>): string {
  const subject = ciphertexts === 1 ? '1 ciphertext was' : `${String(ciphertexts)} ciphertexts were`;
  return `${reason}; ${subject} not checked: run it again when KMS is available, or use --no-kms`;
}

/** Escapes as `escapeData` of actions/toolkit does (packages/core/src/command.ts). */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Escapes as `escapeProperty` of actions/toolkit does. */
function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
