/**
 * Output of commands: results go to standard output, everything else to standard error; colours only on terminals, and
 * nothing that controls them.
 */
import { paint, visible, visibleJson } from '../../lib/ops/terminal.js';

/** Prints one line of the result. */
export function print(text = ''): void {
  process.stdout.write(`${visible(text, process.stdout)}\n`);
}

/** Prints the result for scripts: one JSON document on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${visibleJson(JSON.stringify(value))}\n`);
}

/** Prints one line that is not part of the result, such as progress. */
export function note(text: string): void {
  process.stderr.write(`${visible(text, process.stderr)}\n`);
}

/** What to do about an error that was printed just before. */
export function hint(text: string | undefined): void {
  if (text !== undefined) note(`${paint('bold', 'hint:', process.stderr)} ${text}`);
}

/** Prints `error: …`, or `warning: …`. */
export function complain(text: string, severity: 'error' | 'warning' = 'error'): void {
  note(`${paint(severity === 'error' ? 'red' : 'yellow', `${severity}:`, process.stderr)} ${text}`);
}

/** Formats rows with aligned columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
