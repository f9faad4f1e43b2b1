/** Results beside those of another run: each figure of each row that both have, with the ratio. */
import { table } from './report.js';

type Row = Readonly<Record<string, unknown>>;

/** Numbers that say what was measured, and not how much it was. */
const NAMING = new Set(['octets', 'messageOctets', 'endpoints', 'subscribers', 'subscriptions', 'servers']);

const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What tells a row of its section from the others. */
const nameOf = (row: Row): string =>
  Object.entries(row)
    .filter(([key, value]) => typeof value === 'string' || NAMING.has(key))
    .map(([key, value]) => (typeof value === 'string' ? value : `${key} ${String(value)}`))
    .join(', ');

/** The figures of a row by their names; of what several rounds gave the median. */
function figuresOf(row: Row, prefix = ''): ReadonlyMap<string, number> {
  const figures = new Map<string, number>();
  for (const [key, value] of Object.entries(row)) {
    if (typeof value === 'number' && !NAMING.has(key)) figures.set(prefix + key, value);
    else if (isRow(value) && typeof value['median'] === 'number') figures.set(prefix + key, value['median']);
    else if (isRow(value)) for (const [name, figure] of figuresOf(value, `${prefix + key}.`)) figures.set(name, figure);
  }
  return figures;
}

function rowsOf(results: Row): ReadonlyMap<string, Row> {
  const rows = new Map<string, Row>();
  for (const [section, value] of Object.entries(results))
    if (Array.isArray(value)) for (const row of value) if (isRow(row)) rows.set(`${section}: ${nameOf(row)}`, row);
  return rows;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));

/**
 * @param results of this run
 * @param before of the other one, as it was written
 * @throws Error when `before` has no results
 */
export function comparison(results: object, before: unknown): string {
  if (!isRow(before)) throw new Error('the file to compare with has no results in it; --json writes them');
  const others = rowsOf(before);
  const rows = rowsOf({ ...results });
  const lines: string[][] = [];
  for (const [name, row] of rows) {
    const other = others.get(name);
    if (other === undefined) continue;
    const figures = figuresOf(other);
    for (const [figure, now] of figuresOf(row)) {
      const then = figures.get(figure);
      if (then !== undefined) lines.push([name, figure, short(then), short(now), (now / then).toFixed(3)]);
    }
  }
  const alone = [...rows.keys()].filter((name) => !others.has(name));
  const gone = [...others.keys()].filter((name) => !rows.has(name));
  return [
    table(['compared', 'figure', 'before', 'now', 'ratio'], lines),
    ...alone.map((name) => `only now: ${name}\n`),
    ...gone.map((name) => `only before: ${name}\n`),
  ].join('');
}
