/** What commands print: results to standard output, everything else to standard error; colours only where people look. */
import { paint } from '../../lib/ops/terminal.js';

/** One line of the result. */
export function print(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** The result for scripts: one JSON document on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** One line that is not the result: progress, warnings. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** `error: …`, or `warning: …`. */
export function complain(text: string, severity: 'error' | 'warning' = 'error'): void {
  note(`${paint(severity === 'error' ? 'red' : 'yellow', `${severity}:`, process.stderr)} ${text}`);
}

/** Rows with aligned columns; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
